import { inspect } from 'node:util';
import type { Abortable } from '../../src/base/abort.ts';
import { isAppError } from '../../src/base/errors.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import { type HostCheck, PRELUDE } from './host-checks.ts';

/** How a check ended. */
export interface CheckResult {
  passed: number;
  failed: number;
  skipped: number;
  /** all that it printed, and why it failed */
  log: string;
  seconds: number;
  /** the host itself was lost */
  isHostLost: boolean;
}

const MAX_OUTPUT_BYTES = 16 * 2 ** 20;

/** Runs a check in the host; never throws but for the abort reason. */
export async function runCheck(
  agent: GuestAgent,
  check: HostCheck,
  { signal }: Abortable,
): Promise<CheckResult> {
  const begun = performance.now();
  const { problem, log, isHostLost = false } = await outcomeOf(agent, check, { signal });
  signal.throwIfAborted();
  const seconds = (performance.now() - begun) / 1000;
  const text = `${log}${problem === undefined ? '' : `\nFAIL: ${problem}\n`}`;
  const counted = check.isSuite ? countsIn(log) : undefined;
  const own = { passed: problem === undefined ? 1 : 0, failed: problem === undefined ? 0 : 1, skipped: 0 };
  return { ...(counted ?? own), log: text, seconds, isHostLost };
}

async function outcomeOf(
  agent: GuestAgent,
  { script, shows, deadlineMs }: HostCheck,
  { signal }: Abortable,
): Promise<{ problem?: string; log: string; isHostLost?: boolean }> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
  const argv = ['sh', '-c', `exec 2>&1\n${PRELUDE}\n${script}`];
  try {
    const { exit, stdout } = await agent.run({ argv }, { signal: limit, maxOutputBytes: MAX_OUTPUT_BYTES });
    const log = stdout.toString();
    if (!('code' in exit) || exit.code !== 0)
      return { problem: `it ended with ${JSON.stringify(exit)}`, log };
    return shows && !shows.test(log) ? { problem: `it does not show ${shows}`, log } : { log };
  } catch (error) {
    return { problem: inspect(error), log: '', isHostLost: isAppError(error, 'GUEST_LOST') };
  }
}

/** The counts of the last line of a suite's output. */
function countsIn(log: string): Pick<CheckResult, 'passed' | 'failed' | 'skipped'> | undefined {
  const found = [...log.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$/gm)].at(-1);
  return found && { passed: Number(found[1]), failed: Number(found[2]), skipped: Number(found[3] ?? 0) };
}
