import type { Readable } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import {
  type ExecOptions,
  type ExecResult,
  type ExecStream,
  exec,
  execStream,
  LONG_WORK_DEADLINE_MS,
} from '../../../base/process/exec.ts';
import { installHint } from '../../../core/rules/host-packages.ts';

/** How one git command is run. */
export interface GitCall extends Abortable {
  input?: Readable | Buffer | string;
  okCodes?: readonly number[];
  /** added to the environment of the target, and wins */
  env?: NodeJS.ProcessEnv;
  /** most `ms` that git may run; default: 3 hours, because it depends on the repository's size */
  deadlineMs?: number;
}

/** The git program, bound to one repository. */
export interface Git {
  /** @throws {AppError} WORKSPACE_GIT_MISSING; WORKSPACE_GIT_FAILED with git's own message as the cause */
  run(args: readonly string[], call: GitCall): Promise<ExecResult>;
  /** Like {@link run}, but streams stdout. */
  stream(args: readonly string[], call: GitCall): ExecStream;
}

/** Where and with which settings git runs. */
export interface GitTarget {
  /** absolute path of the folder that git runs in; named in errors */
  folder: string;
  /** the whole environment, made by {@link hostGitEnvironment} */
  env: NodeJS.ProcessEnv;
  /** `key=value` settings that override every configuration file */
  config: readonly string[];
}

/** Limit for the listing of an index, at 100 bytes per file. */
const MAX_OUTPUT_BYTES = 1024 * 1024 * 1024;

const INSTALL_GIT = installHint(['git'], 'git');

/**
 * Settings of every git command that we run. The configuration of the repository may be somebody else's;
 * these settings keep it from starting a hook or a file system monitor.
 */
export const NO_PROGRAMS = ['core.fsmonitor=false', 'core.hooksPath=/dev/null'] as const;

/**
 * The environment of a git command that reads the user's repository: the user's own, without everything that
 * would point git (or tar) at something else, and without any way to write, prompt, translate or fetch.
 */
export function hostGitEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => !/^(GIT_|LC_|TAR_OPTIONS$|TAPE$|POSIXLY_CORRECT$)/.test(name),
  );
  return {
    ...Object.fromEntries(kept),
    LC_ALL: 'C',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_TERMINAL_PROMPT: '0',
    GIT_PAGER: 'cat',
    GIT_NO_REPLACE_OBJECTS: '1',
    // A partial clone would fetch missing objects. Git before 2.45 only knows the second setting, which
    // refuses every transport.
    GIT_NO_LAZY_FETCH: '1',
    GIT_ALLOW_PROTOCOL: 'none',
  };
}

/** Binds git to `target`. */
export function gitAt(target: GitTarget): Git {
  const argv = (args: readonly string[]): [string, ...string[]] => [
    'git',
    '-C',
    target.folder,
    ...target.config.flatMap((setting) => ['-c', setting]),
    ...args,
  ];
  const options = (call: GitCall): ExecOptions => ({
    deadlineMs: LONG_WORK_DEADLINE_MS,
    ...call,
    cwd: '/',
    env: { ...target.env, ...call.env },
    maxOutputBytes: MAX_OUTPUT_BYTES,
  });
  return {
    run: async (args, call) => {
      try {
        return await exec(argv(args), options(call));
      } catch (error) {
        throw gitError(error, target.folder);
      }
    },
    stream: (args, call) => {
      const running = execStream(argv(args), options(call));
      const done = running.done.catch((error: unknown) => {
        throw gitError(error, target.folder);
      });
      done.catch(() => {});
      return { stdout: running.stdout, done };
    },
  };
}

/** WORKSPACE_GIT_MISSING for a git that is too old. */
export function gitTooOld(found: string, needed: string): AppError {
  return new AppError(
    'WORKSPACE_GIT_MISSING',
    `Cannot use git "${found}": git ${needed} or later is needed`,
    { hint: INSTALL_GIT },
  );
}

function gitError(error: unknown, folder: string): unknown {
  if (isAppError(error, 'EXEC_NOT_FOUND')) {
    return new AppError('WORKSPACE_GIT_MISSING', `Cannot read the repository "${folder}": git is missing`, {
      hint: INSTALL_GIT,
      cause: error,
    });
  }
  if (!isAppError(error, 'EXEC_FAILED')) return error;
  return new AppError('WORKSPACE_GIT_FAILED', `Cannot read the repository "${folder}": git failed`, {
    hint: 'git status in that folder shows whether the repository is in order',
    details: { folder },
    cause: error,
  });
}
