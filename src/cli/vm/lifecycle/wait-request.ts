import { AppError } from '../../../base/errors.ts';
import type { WaitForVmRequest } from '../../../protocol/api/vm-requests.ts';
import { WAIT_CONDITIONS, type WaitCondition } from '../../../protocol/vm.ts';
import { ProblemList } from '../../program/problems.ts';
import { timeLimitOf } from '../time-limit.ts';

/** Option values of `vm wait`. */
export interface WaitOptions {
  until: string | undefined;
  timeout: string | undefined;
}

/**
 * Returns the request to wait.
 *
 * @throws {AppError} USAGE_OPTION_VALUE, DURATION_INVALID.
 */
export function waitRequestOf({ until = 'stopped', timeout }: WaitOptions): WaitForVmRequest {
  const problems = new ProblemList();
  const condition = problems.attempt(() => parseCondition(until));
  const timeoutMs = problems.attempt(() => timeLimitOf(timeout));
  problems.throwAny();
  return { until: condition ?? 'stopped', ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}

function parseCondition(text: string): WaitCondition {
  const found = WAIT_CONDITIONS.find((condition) => condition === text);
  if (found) return found;
  throw new AppError(
    'USAGE_OPTION_VALUE',
    `Cannot use "${text}" for --until: it is not a state to wait for`,
    {
      hint: `use one of ${WAIT_CONDITIONS.join(', ')}`,
      details: { field: 'until', value: text },
    },
  );
}
