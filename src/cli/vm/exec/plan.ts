import { AppError } from '../../../base/errors.ts';
import type { Environment } from '../../../config/settings.ts';
import type { Invocation, OptionValues } from '../../program/command.ts';
import { ProblemList } from '../../program/problems.ts';
import { commandOf } from '../guest-command.ts';
import { environmentOf, userOf, workdirOf } from '../guest-env.ts';
import { guestFolder } from '../guest-path.ts';
import { timeLimitOf } from '../time-limit.ts';
import type { EXEC_OPTIONS } from './options.ts';

/** The checked command line of `vm exec`. */
export interface ExecPlan {
  ref: string;
  command: [string, ...string[]];
  env: Record<string, string>;
  workdir?: string;
  /** copies what has changed when the workspace is stale */
  isAutoPrepared: boolean;
  user?: string;
  timeoutMs?: number;
  /** absent: decided by our own streams */
  hasTerminal?: boolean;
  /** starts a job and does not wait for it */
  isDetached: boolean;
  isJson: boolean;
  /** adds to the JSON where the time went */
  isTimed: boolean;
}

/**
 * Checks the command line of `vm exec`. All problems are reported at once.
 *
 * @throws {AppError} USAGE_*.
 */
export function execPlanOf(
  { args: [ref = ''], trailing, options }: Invocation<typeof EXEC_OPTIONS>,
  ownEnv: Environment,
): ExecPlan {
  const problems = new ProblemList();
  const command = problems.attempt(() =>
    commandOf(trailing ?? [], { usage: `banger vm exec ${ref} -- make test` }),
  );
  const env = problems.attempt(() => environmentOf(options.env, ownEnv));
  const workdir = problems.attempt(() => startOf(options));
  const user = problems.attempt(() => userOf(options.user));
  const timeoutMs = problems.attempt(() => timeLimitOf(options.timeout));
  if (options.json && options.tty) {
    problems.add(
      new AppError('USAGE_OPTIONS', 'Cannot use --json with --tty: stdout is for the JSON', {
        hint: 'leave one of them out',
        details: { field: 'json' },
      }),
    );
  }
  if (options.detach && options.tty) {
    problems.add(
      new AppError('USAGE_OPTIONS', 'Cannot use --tty with --detach: a job has no terminal', {
        hint: 'leave one of them out',
        details: { field: 'tty' },
      }),
    );
  }
  problems.throwAny();
  return {
    ref,
    command: command ?? [''],
    env: env ?? {},
    ...(workdir === undefined ? {} : { workdir }),
    isAutoPrepared: options.autoPrepare,
    ...(user === undefined ? {} : { user }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(options.tty || options.noTty || options.json ? { hasTerminal: options.tty } : {}),
    isDetached: options.detach,
    isJson: options.json,
    isTimed: options.timings,
  };
}

function startOf({ workdir: given, guestPath }: OptionValues<typeof EXEC_OPTIONS>): string | undefined {
  if (guestPath !== undefined) {
    if (given === undefined) return guestFolder(guestPath, '--guest-path');
    throw new AppError('USAGE_OPTIONS', 'Cannot use --guest-path with --workdir: both name the folder', {
      hint: 'give one of them',
      details: { field: 'guest-path' },
    });
  }
  return workdirOf(given);
}
