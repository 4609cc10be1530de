import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isErrno, printable } from '../../../base/errors.ts';
import { readSmallFile } from '../small-file.ts';
import type { Git } from './git-command.ts';

/** Where the parts of a repository are. */
export interface GitFolders {
  /** top of the working tree, absolute, links resolved */
  root: string;
  /** this working tree's own git folder: HEAD, index, state of a merge */
  gitDir: string;
  /** the git folder that linked working trees share: refs, objects, configuration */
  commonDir: string;
}

/** One way in which a repository uses files outside of it. */
export interface Elsewhere {
  root: string;
  /** what in the repository leads outside, as a path or setting */
  what: string;
  /** where it leads */
  target?: string;
  /** why it is not accepted */
  why: string;
  hint: string;
}

/** The refusal of a repository that uses files of another place. */
export function elsewhereError({ root, what, target, why, hint }: Elsewhere): AppError {
  const leads = target === undefined ? '' : ` leads to "${printable(target)}", and`;
  return new AppError(
    'WORKSPACE_GIT_ELSEWHERE',
    `Cannot send "${printable(root)}": its ${printable(what)}${leads} ${why}`,
    { hint: printable(hint), details: { root, ...(target === undefined ? {} : { target }) } },
  );
}

/**
 * Refuses a repository whose git folder is not its own. The repository may be an archive from others: with a
 * `.git` file or link, a `commondir` file or `core.worktree` it could name any other repository of the user,
 * and the guest would get that repository's history. A git folder outside of the working tree is accepted
 * only when that folder names the working tree in turn, because only its owner can write that. A linked
 * working tree is named in `gitdir`, a submodule in `core.worktree`.
 *
 * @throws {AppError} WORKSPACE_GIT_ELSEWHERE
 */
export async function requireOwnGitFolder(
  repository: GitFolders & { git: Git },
  { signal }: Abortable,
): Promise<void> {
  const root = await realpath(repository.root);
  const gitDir = await realpath(repository.gitDir);
  const commonDir = await realpath(repository.commonDir);
  const kind = await kindOfEntry(root);
  const isOwn = kind === 'folder' && gitDir === join(root, '.git');
  if (!isOwn && !(await isNamedByEntry(repository, { signal }))) {
    throw elsewhereError({
      root,
      what: '.git',
      why: `is not the git folder in use: core.worktree in "${gitDir}" claims these files`,
      hint: `git --git-dir "${gitDir}" config --unset core.worktree`,
    });
  }
  if (commonDir === gitDir) {
    if (isOwn || (await isNamedByWorktreeSetting({ root, gitDir, git: repository.git }, { signal }))) return;
    throw elsewhereError({
      root,
      what: kind === 'link' ? '.git link' : '.git file',
      target: gitDir,
      why: 'that git folder does not name this working tree as its own',
      hint: `only if both are yours: git --git-dir "${gitDir}" config core.worktree "${root}"`,
    });
  }
  const isLinkedTree = kind === 'file' && dirname(gitDir) === join(commonDir, 'worktrees');
  if (!isLinkedTree) {
    throw elsewhereError({
      root,
      what: isOwn ? '.git/commondir' : 'commondir',
      target: commonDir,
      why: 'only a linked working tree may share the git folder of another repository',
      hint: 'git worktree add makes one; a clone (git clone) needs no other repository',
    });
  }
  if (await isNamedByGitdirFile({ root, gitDir })) return;
  throw elsewhereError({
    root,
    what: '.git file',
    target: gitDir,
    why: 'that git folder belongs to a working tree in another place',
    hint: `only if you moved this working tree yourself: git -C "${root}" worktree repair`,
  });
}

async function kindOfEntry(root: string): Promise<'folder' | 'file' | 'link' | 'missing'> {
  try {
    const found = await lstat(join(root, '.git'));
    if (found.isDirectory()) return 'folder';
    return found.isSymbolicLink() ? 'link' : 'file';
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 'missing';
    throw error;
  }
}

/**
 * False when git found the folder by other means than the working tree's own `.git`: a repository elsewhere
 * named these files as its own.
 */
async function isNamedByEntry(
  { root, gitDir, git }: GitFolders & { git: Git },
  { signal }: Abortable,
): Promise<boolean> {
  if ((await kindOfEntry(root)) === 'missing') return false;
  const { stdout } = await git.run(['rev-parse', '--absolute-git-dir'], { signal });
  return stdout.toString('utf8').split('\n')[0] === gitDir;
}

/**
 * Whether the `gitdir` file in a linked working tree's git folder names the `.git` file of `root`
 * (gitrepository-layout(5)).
 */
async function isNamedByGitdirFile({ root, gitDir }: { root: string; gitDir: string }): Promise<boolean> {
  const content = await readSmallFile(join(gitDir, 'gitdir'), { followLink: false });
  const named = resolve(gitDir, content?.toString('utf8').trimEnd() ?? '');
  // Does not resolve the `.git` itself: a link there could lead to the very file that is named.
  return basename(named) === '.git' && (await realpathIfThere(dirname(named))) === root;
}

/** Whether `core.worktree` of an unshared git folder names `root`. */
async function isNamedByWorktreeSetting(
  { root, gitDir, git }: { root: string; gitDir: string; git: Git },
  { signal }: Abortable,
): Promise<boolean> {
  for (const name of ['config', 'config.worktree']) {
    const file = join(gitDir, name);
    if (!(await realpathIfThere(file))) continue;
    const args = ['config', '--file', file, '--no-includes', '--type=path', '--get', 'core.worktree'];
    const { stdout } = await git.run(args, { signal, okCodes: [0, 1] });
    const named = stdout.toString('utf8').replace(/\n$/, '');
    if (named !== '' && (await realpathIfThere(resolve(gitDir, named))) === root) return true;
  }
  return false;
}

async function realpathIfThere(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE')) {
      return undefined;
    }
    throw error;
  }
}
