import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { AppError, isErrno } from '../../base/errors.ts';
import type { Settings } from '../../config/settings.ts';
import type { CreateVmRequest } from '../../protocol/api.ts';
import type { Invocation } from '../command.ts';
import { commandOf } from '../guest-command.ts';
import { ProblemList } from '../problems.ts';
import { createRequestOf } from '../vm-options.ts';
import type { RUN_OPTIONS } from './options.ts';

/** What `vm run` was asked to do, checked as far as this side can. */
export interface RunPlan {
  request: CreateVmRequest;
  /** absolute path of the working tree's folder */
  path?: string;
  /** absent: a login shell */
  command?: [string, ...string[]];
  isRemoved: boolean;
  isJson: boolean;
}

/**
 * Checks the command line of `vm run` before anything exists. All problems are reported at once.
 *
 * @throws {AppError} USAGE_*, WORKSPACE_NOT_FOUND, VM_NAME_INVALID, VM_SHAPE_INVALID, SIZE_INVALID, IMAGE_NAME_INVALID.
 */
export function planOf(
  { args, trailing, options }: Invocation<typeof RUN_OPTIONS>,
  { settings, cwd }: { settings: Settings; cwd: () => string },
): RunPlan {
  const problems = new ProblemList();
  const request = createRequestOf(options, { settings, problems });
  const path = problems.attempt(() => (args[0] === undefined ? undefined : folderAt(args[0], cwd)));
  const command = problems.attempt(() =>
    trailing ? commandOf(trailing, { usage: 'banger vm run -- make test' }) : undefined,
  );
  if (options.json && !trailing) {
    problems.add(
      new AppError('USAGE_OPTIONS', 'Cannot use --json with a shell: stdout is for its user', {
        hint: 'give a command after --',
        details: { field: 'json' },
      }),
    );
  }
  problems.throwAny();
  return {
    request,
    ...(path === undefined ? {} : { path }),
    ...(command === undefined ? {} : { command }),
    isRemoved: options.rm,
    isJson: options.json,
  };
}

function folderAt(given: string, cwd: () => string): string {
  const path = resolve(cwd(), given);
  const refuse = (why: string, cause?: unknown): AppError =>
    new AppError('WORKSPACE_NOT_FOUND', `Cannot use the path ${JSON.stringify(given)}: ${why}`, {
      hint: 'give a folder in a git working tree; a command goes after --',
      details: { field: 'path', value: given },
      cause,
    });
  if (given === '') throw refuse('it is empty');
  try {
    if (!statSync(path).isDirectory()) throw refuse('it is not a folder');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw refuse('it does not exist');
    if (isErrno(error, 'EACCES', 'ELOOP', 'ENAMETOOLONG')) throw refuse('it cannot be opened', error);
    throw error;
  }
  return path;
}
