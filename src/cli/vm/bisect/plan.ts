import { AppError } from '../../../base/errors.ts';
import type { Environment } from '../../../config/settings.ts';
import type { Invocation } from '../../program/command.ts';
import { ProblemList } from '../../program/problems.ts';
import { logFolderOf } from '../fan-out/log-folder.ts';
import { commandOf } from '../guest-command.ts';
import { environmentOf } from '../guest-env.ts';
import type { BISECT_OPTIONS } from './options.ts';

/** The checked command line of `vm bisect`. */
export interface BisectPlan {
  ref: string;
  good: string;
  bad: string;
  command: [string, ...string[]];
  env: Record<string, string>;
  /** tests both ends first */
  isVerified: boolean;
  /** each commit is tested in a copy of the VM itself */
  isClean: boolean;
  /** absolute; absent: a new one */
  logDir?: string;
  isJson: boolean;
}

/** Checks the command line. All problems are reported at once. @throws {AppError} USAGE_* */
export function bisectPlanOf(
  { args: [ref = '', good = '', bad = ''], trailing, options }: Invocation<typeof BISECT_OPTIONS>,
  { ownEnv, cwd }: { ownEnv: Environment; cwd: string },
): BisectPlan {
  const problems = new ProblemList();
  const command = problems.attempt(() =>
    commandOf(trailing ?? [], { usage: `banger vm bisect ${ref} v1.0 HEAD -- make test` }),
  );
  problems.attempt(() => requireCommitName('good', good));
  problems.attempt(() => requireCommitName('bad', bad));
  const env = problems.attempt(() => environmentOf(options.env, ownEnv));
  const logDir = problems.attempt(() => logFolderOf(options.logs, cwd));
  problems.throwAny();
  return {
    ...{ ref, good, bad, command: command ?? [''], env: env ?? {} },
    isVerified: !options.noVerify,
    isClean: options.clean,
    ...(logDir === undefined ? {} : { logDir }),
    isJson: options.json,
  };
}

function requireCommitName(field: string, value: string): void {
  if (/^[^-^]/.test(value) && !value.includes('..')) return;
  throw new AppError(
    'USAGE_ARGUMENTS',
    `Cannot use ${JSON.stringify(value)} for <${field}>: it is not one commit`,
    {
      hint: 'for example banger vm bisect web v1.0 HEAD -- make test',
      details: { field, value },
    },
  );
}
