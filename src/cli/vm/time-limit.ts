import { AppError } from '../../base/errors.ts';
import { parseDuration } from '../../base/text/duration.ts';
import type { OptionDefinitions } from '../program/command.ts';

/** Option of a command that runs something in a guest for a limited time. */
export const TIMEOUT_OPTION = {
  timeout: {
    type: 'value',
    value: 'time',
    summary: 'end the command and all that it started after this time, such as 90s or 10m; the status is 124',
    defaultText: () => 'no limit',
  },
} as const satisfies OptionDefinitions;

/**
 * Returns the time that `--timeout` gives, in `ms`.
 *
 * @throws {AppError} DURATION_INVALID; USAGE_OPTION_VALUE for no time at all.
 */
export function timeLimitOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const timeoutMs = parseDuration(text, '--timeout');
  if (timeoutMs > 0) return timeoutMs;
  throw new AppError('USAGE_OPTION_VALUE', `Cannot use "${text}" for --timeout: it is not more than 0`, {
    hint: 'give a longer time, or leave --timeout out for no limit',
    details: { field: 'timeout', value: text },
  });
}
