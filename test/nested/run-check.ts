import { inspect } from 'node:util';
import type { EndedTest } from '../../scripts/test/test-report.ts';
import type { Abortable } from '../../src/base/abort.ts';
import { isAppError } from '../../src/base/errors.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import { type HostCheck, PRELUDE } from './host-checks.ts';
import { streamCommand } from './stream-command.ts';
import { parseTestLines } from './test-lines.ts';

/** How a check is run. */
export interface CheckOptions extends Abortable {
  /** the script's arguments */
  args: readonly string[];
  /** called with the output as it comes */
  onOutput: (text: string) => void;
  /** called as each test of a suite ends */
  onTest: (test: EndedTest) => void;
}

/** How a check ended. */
export interface CheckResult {
  /** why it failed */
  problem?: string;
  /** the tests of a suite that ended, in their order */
  tests: readonly EndedTest[];
  seconds: number;
  /** the host itself was lost */
  isHostLost: boolean;
}

/** Runs a check in the host. Throws only the abort reason. */
export async function runCheck(
  agent: GuestAgent,
  { script, shows, deadlineMs }: HostCheck,
  { signal, args, onOutput, onTest }: CheckOptions,
): Promise<CheckResult> {
  const begun = performance.now();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(deadlineMs)]);
  const argv = ['sh', '-c', `exec 2>&1\n${PRELUDE}\n${script}`, 'check', ...args] as const;
  let log = '';
  let tests: readonly EndedTest[] = [];
  const result = (): Omit<CheckResult, 'isHostLost'> => ({
    tests,
    seconds: (performance.now() - begun) / 1000,
  });
  try {
    const take = (text: string): void => {
      log += text;
      onOutput(text);
      const before = tests.length;
      tests = parseTestLines(log);
      for (const test of tests.slice(before)) onTest(test);
    };
    const exit = await streamCommand(agent, argv, { signal: limit, onOutput: take });
    const made = { ...result(), isHostLost: false };
    if (!('code' in exit) || exit.code !== 0)
      return { ...made, problem: `it ended with ${JSON.stringify(exit)}` };
    return !shows || shows.test(log) ? made : { ...made, problem: `it does not show ${shows}` };
  } catch (error) {
    signal.throwIfAborted();
    return { ...result(), problem: inspect(error), isHostLost: isAppError(error, 'GUEST_LOST') };
  }
}
