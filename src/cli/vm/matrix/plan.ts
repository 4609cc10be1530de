import { AppError } from '../../../base/errors.ts';
import type { Environment } from '../../../config/settings.ts';
import type { Invocation } from '../../program/command.ts';
import { ProblemList } from '../../program/problems.ts';
import { logFolderOf } from '../fan-out/log-folder.ts';
import { commandOf } from '../guest-command.ts';
import { badOption, environmentOf } from '../guest-env.ts';
import { type Axis, axisOf, COMMIT_KEY, cellsOf } from './cells.ts';
import type { MATRIX_OPTIONS } from './options.ts';

/** Most forks at the same time: with the one that the later ones are copies of, as many as one fork makes. */
const MAX_JOBS = 99;

/** Two ends of a range of commits. */
export interface CommitRange {
  from: string;
  to: string;
}

/** The checked command line of `vm matrix`. */
export interface MatrixPlan {
  ref: string;
  command: [string, ...string[]];
  axes: readonly Axis[];
  commits?: CommitRange;
  env: Record<string, string>;
  /** absent: what suits this host */
  jobCount?: number;
  isFailingFast: boolean;
  isKeepingFailed: boolean;
  /** absolute; absent: a new one */
  logDir?: string;
  isJson: boolean;
}

/** Checks the command line. All problems are reported at once. @throws {AppError} USAGE_* */
export function matrixPlanOf(
  { args: [ref = ''], trailing, options }: Invocation<typeof MATRIX_OPTIONS>,
  { ownEnv, cwd }: { ownEnv: Environment; cwd: string },
): MatrixPlan {
  const problems = new ProblemList();
  const command = problems.attempt(() =>
    commandOf(trailing ?? [], { usage: `banger vm matrix ${ref} --over node=20,22 -- make test` }),
  );
  const axes = options.over.flatMap((given) => problems.attempt(() => axisOf(given)) ?? []);
  const commits = problems.attempt(() =>
    options.commits === undefined ? undefined : rangeOf(options.commits),
  );
  problems.attempt(() => refuseTwice(axes, options));
  problems.attempt(() => cellsOf(axes));
  const env = problems.attempt(() => environmentOf(options.env, ownEnv));
  const jobCount = problems.attempt(() => (options.jobs === undefined ? undefined : jobsOf(options.jobs)));
  const logDir = problems.attempt(() => logFolderOf(options.logs, cwd));
  problems.throwAny();
  return {
    ref,
    command: command ?? [''],
    axes,
    ...(commits ? { commits } : {}),
    env: env ?? {},
    ...(jobCount === undefined ? {} : { jobCount }),
    isFailingFast: options.failFast,
    isKeepingFailed: options.keepFailed,
    ...(logDir === undefined ? {} : { logDir }),
    isJson: options.json,
  };
}

function refuseTwice(
  axes: readonly Axis[],
  { over, commits }: { over: string[]; commits?: string | undefined },
): void {
  if (over.length === 0 && commits === undefined) {
    throw new AppError('USAGE_OPTIONS', 'Cannot make a matrix of nothing: give --over or --commits', {
      hint: 'for example --over node=20,22,24',
      details: { field: 'over' },
    });
  }
  const keys = [...axes.map(({ key }) => key), ...(commits === undefined ? [] : [COMMIT_KEY])];
  const twice = keys.find((key, at) => keys.indexOf(key) < at);
  if (twice === undefined) return;
  throw new AppError('USAGE_OPTIONS', `Cannot use the variable "${twice}" twice`, {
    hint: 'give all values in one --over; --commits sets the variable "commit"',
    details: { field: 'over', value: twice },
  });
}

function rangeOf(given: string): CommitRange {
  const [from = '', to = '', ...more] = given.split('..');
  const isRange = given.includes('..') && !given.includes('...') && more.length === 0;
  if (isRange && /^[^-^]/.test(from) && !/^[-^]/.test(to)) return { from, to: to === '' ? 'HEAD' : to };
  throw badOption('--commits', {
    value: given,
    why: 'it is not a range of commits',
    hint: 'for example --commits v1.0..HEAD',
  });
}

function jobsOf(given: string): number {
  const count = /^[0-9]{1,3}$/.test(given) ? Number(given) : Number.NaN;
  if (count >= 1 && count <= MAX_JOBS) return count;
  throw badOption('--jobs', {
    value: given,
    why: `it is not a number from 1 to ${MAX_JOBS}`,
    hint: 'for example --jobs 4',
  });
}
