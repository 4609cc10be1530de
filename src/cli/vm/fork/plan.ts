import { AppError } from '../../../base/errors.ts';
import type { Environment } from '../../../config/settings.ts';
import type { ForkVmRequest } from '../../../protocol/api/vm-requests.ts';
import { MAX_FORK_COUNT } from '../../../protocol/vm-limits.ts';
import { checkVmName } from '../../../protocol/vm-name.ts';
import { ProblemList } from '../../program/problems.ts';
import { commandOf } from '../guest-command.ts';
import { environmentOf } from '../guest-env.ts';

/** The checked command line of `vm fork`. */
export interface ForkPlan {
  ref: string;
  request: Omit<ForkVmRequest, 'ephemeral'>;
  /** the command to run in each copy */
  command?: [string, ...string[]];
  env: Record<string, string>;
  isEphemeral: boolean;
  isJson: boolean;
  /** adds to the JSON where the time went */
  isTimed: boolean;
}

interface ForkInput {
  trailing: readonly string[] | undefined;
  options: {
    name: string | undefined;
    count: string | undefined;
    env: readonly string[];
    rm: boolean;
    json: boolean;
    timings: boolean;
  };
  ownEnv: Environment;
}

/** Checks the command line. @throws {AppError} USAGE_*, VM_NAME_INVALID, VM_COUNT_INVALID */
export function forkPlanOf(ref: string, { trailing, options, ownEnv }: ForkInput): ForkPlan {
  const { name, count, rm, json, timings } = options;
  const problems = new ProblemList();
  const refuse = (message: string, hint: string): void => {
    problems.attempt(() => {
      throw new AppError('USAGE_OPTIONS', message, { hint });
    });
  };
  const command =
    trailing && problems.attempt(() => commandOf(trailing, { usage: 'banger vm fork web -- make test' }));
  if (name !== undefined) problems.attempt(() => checkVmName(name));
  if (name !== undefined && count !== undefined) {
    refuse('Cannot use --name with --count: a name is for one copy', 'leave one of them out');
  }
  if (rm && !trailing) refuse('Cannot use --rm without a command', 'add a command after --');
  const env = problems.attempt(() => environmentOf(options.env, ownEnv));
  if (options.env.length > 0 && !trailing)
    refuse('Cannot use --env without a command', 'add a command after --');
  if (json && trailing) refuse('Cannot use --json with a command', 'leave one of them out');
  const parsed = count === undefined ? undefined : problems.attempt(() => parseCount(count, ref));
  problems.throwAny();
  return {
    ref,
    request: {
      ...(name === undefined ? {} : { names: [name] }),
      ...(parsed === undefined ? {} : { count: parsed }),
    },
    ...(command ? { command } : {}),
    env: env ?? {},
    isEphemeral: rm,
    isJson: json,
    isTimed: timings,
  };
}

function parseCount(text: string, ref: string): number {
  const value = /^[0-9]{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= MAX_FORK_COUNT) return value;
  throw new AppError(
    'VM_COUNT_INVALID',
    `Cannot use "${text}" for --count: it is not a number from 1 to ${MAX_FORK_COUNT}`,
    {
      hint: `banger vm fork ${ref} -n 3`,
      details: { field: 'count', value: text },
    },
  );
}
