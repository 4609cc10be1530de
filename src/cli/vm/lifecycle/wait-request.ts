import { AppError } from '../../../base/errors.ts';
import type { WaitForVmRequest } from '../../../protocol/api/vm-requests.ts';
import { WAIT_CONDITIONS, type WaitCondition } from '../../../protocol/vm.ts';
import { ProblemList } from '../../program/problems.ts';
import { badOption } from '../guest-env.ts';
import { timeLimitOf } from '../time-limit.ts';

/** Option values of `vm wait`. */
export interface WaitOptions {
  until: string | undefined;
  forPort: string | undefined;
  forCommand: string | undefined;
  timeout: string | undefined;
}

/** Limit in `ms` for what programs in a guest must come to. */
const GUEST_TIMEOUT_MS = 120_000;

/**
 * Returns the request to wait.
 *
 * @throws {AppError} USAGE_OPTION_VALUE, USAGE_OPTIONS, DURATION_INVALID.
 */
export function waitRequestOf({ until, forPort, forCommand, timeout }: WaitOptions): WaitForVmRequest {
  const problems = new ProblemList();
  const isForGuest = forPort !== undefined || forCommand !== undefined;
  const condition = problems.attempt(() => parseCondition(until ?? (isForGuest ? 'ready' : 'stopped')));
  const given = problems.attempt(() => timeLimitOf(timeout));
  const guest = problems.attempt(() => guestConditionsOf({ forPort, forCommand, prefix: '--for' }));
  if (isForGuest && until !== undefined && until !== 'ready') {
    const flag = forPort === undefined ? '--for-command' : '--for-port';
    problems.add(
      new AppError(
        'USAGE_OPTIONS',
        `Cannot use ${flag} with --until ${until}: it waits until the VM is ready`,
        {
          hint: 'leave one of them out',
          details: { field: 'until' },
        },
      ),
    );
  }
  problems.throwAny();
  const timeoutMs = given ?? (isForGuest ? GUEST_TIMEOUT_MS : undefined);
  return { until: condition ?? 'stopped', ...guest, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
}

/**
 * What programs in the guest must have come to; `prefix` is that of the two options. All problems are
 * reported at once.
 *
 * @throws {AppError} USAGE_OPTION_VALUE.
 */
function guestConditionsOf({
  forPort,
  forCommand,
  prefix,
}: Pick<WaitOptions, 'forPort' | 'forCommand'> & { prefix: string }): Pick<
  WaitForVmRequest,
  'forPort' | 'forCommand'
> {
  const problems = new ProblemList();
  const port = problems.attempt(() => portOf(forPort, `${prefix}-port`));
  const command = problems.attempt(() => commandOf(forCommand, `${prefix}-command`));
  problems.throwAny();
  return {
    ...(port === undefined ? {} : { forPort: port }),
    ...(command === undefined ? {} : { forCommand: command }),
  };
}

/**
 * The request to wait for a VM that was just made until programs in its guest are ready; `undefined` when
 * nothing is waited for. `timeoutMs`: default 2 minutes.
 *
 * @throws {AppError} USAGE_OPTION_VALUE.
 */
export function waitAfterStart(
  conditions: Pick<WaitOptions, 'forPort' | 'forCommand'>,
  { timeoutMs = GUEST_TIMEOUT_MS }: { timeoutMs: number | undefined },
): WaitForVmRequest | undefined {
  const guest = guestConditionsOf({ ...conditions, prefix: '--wait-for' });
  if (Object.keys(guest).length === 0) return undefined;
  return { until: 'ready', ...guest, timeoutMs };
}

/** What is printed for a VM that was waited for. */
export function outcomeOf({ until, forPort, forCommand }: WaitForVmRequest): string {
  if (forCommand !== undefined) return 'the command succeeds';
  return forPort === undefined ? until : `port ${forPort} open`;
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

function portOf(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw badOption(flag, {
    value: text,
    why: 'it is not a port',
    hint: 'give a number from 1 to 65535',
  });
}

function commandOf(text: string | undefined, flag: string): string | undefined {
  if (text === undefined || (text.trim() !== '' && !text.includes('\0'))) return text;
  throw badOption(flag, {
    value: text,
    why: 'it is empty',
    hint: "give a command for the guest's shell, such as 'curl -fs localhost:8080'",
  });
}
