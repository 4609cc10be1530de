import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { AppError, isErrno } from '../../../base/errors.ts';
import { plural } from '../../../base/text/words.ts';
import type { WorkspaceChoice, WorkspaceSummary } from '../../../protocol/api/workspace.ts';
import type { CommandContext } from '../../context/context.ts';
import type { OptionDefinitions, OptionValues } from '../../program/command.ts';
import type { ProblemList } from '../../program/problems.ts';

/** Options of every command that sends a working tree. */
export const WORKSPACE_OPTIONS = {
  branch: {
    type: 'value',
    value: 'name',
    summary: 'make this branch in the guest and switch to it; needs a path',
  },
  from: {
    type: 'value',
    value: 'ref',
    summary: 'start of the branch; needs --branch',
    defaultText: () => 'HEAD',
  },
  includeUntracked: {
    type: 'flag',
    summary: 'also send files that git neither tracks nor ignores; needs a path',
  },
  noSubmodules: {
    type: 'flag',
    summary: 'leave the folders of submodules empty; needs a path',
  },
} as const satisfies OptionDefinitions;

/**
 * Returns the working tree that `path` and {@link WORKSPACE_OPTIONS} mean; `undefined` without a path. Adds
 * what is wrong to `problems`.
 */
export function workspaceChoiceOf(
  path: string | undefined,
  options: OptionValues<typeof WORKSPACE_OPTIONS>,
  { cwd, problems }: { cwd: () => string; problems: ProblemList },
): WorkspaceChoice | undefined {
  const { branch, from, includeUntracked, noSubmodules } = options;
  if (path === undefined) {
    for (const [flag, isGiven] of [
      ['--branch', branch !== undefined],
      ['--from', from !== undefined],
      ['--include-untracked', includeUntracked],
      ['--no-submodules', noSubmodules],
    ] as const) {
      if (isGiven) problems.add(refuse(flag, `Cannot use ${flag} without a path: no working tree is sent`));
    }
    return undefined;
  }
  if (from !== undefined && branch === undefined) {
    problems.add(refuse('--from', 'Cannot use --from alone: --from requires --branch'));
  }
  const folder = problems.attempt(() => folderAt(path, cwd));
  return {
    path: folder ?? path,
    ...(branch === undefined ? {} : { branch }),
    ...(from === undefined ? {} : { from }),
    ...(includeUntracked ? { includeUntracked } : {}),
    ...(noSubmodules ? { noSubmodules } : {}),
  };
}

/** Says how many files of the working tree the guest will not see. */
export function announceUntracked(
  { untrackedCount }: WorkspaceSummary,
  { includeUntracked }: WorkspaceChoice,
  context: Pick<CommandContext, 'notice'>,
): void {
  if (includeUntracked || untrackedCount === 0) return;
  const files = plural(untrackedCount, 'untracked file stays', 'untracked files stay');
  context.notice(`${files} on the host; git add what the VM shall see, or give --include-untracked`);
}

function refuse(flag: string, message: string): AppError {
  return new AppError('USAGE_OPTIONS', message, {
    hint: 'for example --branch fix-login --from main',
    details: { field: flag.slice(2) },
  });
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
