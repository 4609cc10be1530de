import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { exec, PROBE_DEADLINE_MS } from '../../../base/process/exec.ts';
import { toolEnv, type Variables } from '../../../base/process/programs.ts';

/** A program, and where its output contains the version. */
export interface VersionedProgram {
  argv: readonly [string, ...string[]];
  /** the first group is the version */
  pattern: RegExp;
}

/**
 * The version that a program of this host reports; `undefined` when it is missing or reports something else.
 */
export async function programVersion(
  { argv, pattern }: VersionedProgram,
  { env, signal }: Abortable & { env: Variables },
): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await exec(argv, {
      signal,
      env: toolEnv(env),
      cwd: '/',
      deadlineMs: PROBE_DEADLINE_MS,
    });
    return pattern.exec(`${stdout.toString('utf8')}\n${stderr}`)?.[1];
  } catch (error) {
    if (!isAppError(error, 'EXEC_NOT_FOUND', 'EXEC_FAILED')) throw error;
    return undefined;
  }
}

/** Whether `version` is `least` or later, compared number by number. */
export function isAtLeast(version: string, least: string): boolean {
  const [found, wanted] = [version, least].map((text) =>
    text.split('.').map((part) => Number.parseInt(part, 10)),
  );
  for (const [at, part] of (wanted ?? []).entries()) {
    const other = found?.[at] ?? 0;
    if (other !== part) return other > part;
  }
  return true;
}
