import { existsSync } from 'node:fs';
import { AppError } from '../../base/errors.ts';
import type { CommandContext } from '../context/context.ts';
import { carryOut, type Step, stepLine } from './steps.ts';

/**
 * Carries out the steps and prints each, or with `isDryRun` only prints them.
 *
 * @throws {AppError} SYSTEM_FAILED when a command of the host fails; what was done before stays, and the same
 * command continues.
 */
export async function applySteps(
  steps: readonly Step[],
  context: CommandContext,
  { isDryRun, isJson }: { isDryRun: boolean; isJson: boolean },
): Promise<void> {
  const print = async (line: string): Promise<void> => {
    if (!isJson) await context.print(isDryRun ? `would ${line}` : line);
  };
  if (isDryRun) {
    for (const step of steps) {
      await print(stepLine(step));
      if (step.kind === 'write' && !isJson) await context.print(step.content.replace(/^(?=.)/gm, '    '));
    }
    return;
  }
  const onStep = (line: string): void => context.progress.step('system', line);
  try {
    await carryOut(steps, { signal: context.signal, onStep });
  } catch (error) {
    if (!(error instanceof AppError) || !error.code.startsWith('EXEC_')) throw error;
    throw new AppError('SYSTEM_FAILED', 'Cannot finish: a command of this host failed', {
      hint: 'journalctl -u bangerd -u bangerd-root; then run the same command again',
      cause: error,
    });
  }
  for (const step of steps) await print(stepLine(step));
}

/** Refuses hosts without systemd. @throws {AppError} SYSTEM_NO_SYSTEMD */
export function requireSystemd(): void {
  if (existsSync('/run/systemd/system')) return;
  throw new AppError('SYSTEM_NO_SYSTEMD', 'Cannot change services: systemd does not run this host', {
    hint: 'banger works without it, as your own user: banger vm run',
  });
}

/** Words for the line that does the same as root. */
export function givenWords(options: Readonly<Record<string, string | boolean | undefined>>): string[] {
  return Object.entries(options).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    return value === true ? [`--${name}`] : [`--${name}`, String(value)];
  });
}
