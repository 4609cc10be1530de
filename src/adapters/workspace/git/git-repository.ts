import type { Stats } from 'node:fs';
import { lstat, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError, isErrno, printable } from '../../../base/errors.ts';
import { PROBE_DEADLINE_MS } from '../../../base/process/exec.ts';
import { readSmallFile } from '../small-file.ts';
import { TaskGroup } from '../task-group.ts';
import { type Git, gitAt, gitTooOld, hostGitEnvironment, NO_PROGRAMS } from './git-command.ts';
import { type GitFolders, requireOwnGitFolder } from './own-git-folder.ts';

/** A git working tree on the host. */
export interface HostRepository extends GitFolders {
  name: string;
  objectFormat: string;
  /** git with the user's configuration, run at the top of the working tree */
  git: Git;
}

/** It introduced `rev-parse --path-format` and `rev-list --disk-usage`, in March 2021. */
const OLDEST_GIT = '2.31';

/**
 * Finds the repository whose working tree contains `path`.
 *
 * @throws {AppError} WORKSPACE_NOT_FOUND, WORKSPACE_NOT_GIT, WORKSPACE_BARE, WORKSPACE_GIT_MISSING,
 * WORKSPACE_GIT_FAILED, WORKSPACE_GIT_ELSEWHERE
 */
export async function locateRepository(
  path: string,
  options: Abortable & { env: NodeJS.ProcessEnv },
): Promise<HostRepository> {
  const { signal } = options;
  await requireFolder(path);
  const env = hostGitEnvironment(options.env);
  const git = gitAt({ folder: path, env, config: NO_PROGRAMS });
  await using tasks = new TaskGroup({ signal });
  const answers = tasks.start((task) => revParse(git, path, task));
  await requireGit(git, { signal });
  const lines = await answers;
  const [isBare, isInsideGitDir, isInsideWorkTree, gitDir, commonDir, objectFormat, root] = lines;
  if (isInsideGitDir === 'true' && isBare === 'false') {
    throw new AppError('WORKSPACE_NOT_GIT', `Cannot send "${path}": it is inside a repository's git folder`, {
      hint: 'give the folder that holds the files themselves',
    });
  }
  if (isBare === 'true') {
    throw new AppError('WORKSPACE_BARE', `Cannot send "${path}": the repository is bare, it has no files`, {
      hint: `make a working tree: git clone "${path}"`,
    });
  }
  if (isInsideWorkTree !== 'true' || !gitDir || !commonDir || !objectFormat || !root || lines.length !== 7) {
    const state =
      lines.length > 7 ? 'a folder above it has a line break in its name' : 'git names no working tree';
    throw new AppError('WORKSPACE_GIT_FAILED', `Cannot send "${path}": ${state}`, { details: { path } });
  }
  const located = gitAt({ folder: root, env, config: NO_PROGRAMS });
  await requireOwnGitFolder({ root, gitDir, commonDir, git: located }, { signal });
  return { root, name: basename(root), gitDir, commonDir, objectFormat, git: located };
}

/** The commit of HEAD at `path`; `undefined` when there is none, or git cannot read it. */
export async function readHeadCommit(
  path: string,
  { env, signal }: Abortable & { env: NodeJS.ProcessEnv },
): Promise<string | undefined> {
  const git = gitAt({ folder: path, env: hostGitEnvironment(env), config: NO_PROGRAMS });
  try {
    const call = { signal, okCodes: [0, 1, 128] };
    const { code, stdout } = await git.run(['rev-parse', '-q', '--verify', 'HEAD^{commit}'], call);
    return code === 0 ? stdout.toString('latin1').trim() : undefined;
  } catch (error) {
    if (isAppError(error, 'WORKSPACE_GIT_MISSING')) return undefined;
    throw error;
  }
}

/** Those of `commits`, full names, that the repository at `path` has. */
export async function findCommits(
  path: string,
  commits: readonly string[],
  { env, signal }: Abortable & { env: NodeJS.ProcessEnv },
): Promise<Set<string>> {
  const git = gitAt({ folder: path, env: hostGitEnvironment(env), config: NO_PROGRAMS });
  const { stdout } = await git.run(['cat-file', '--batch-check=%(objectname) %(objecttype)'], {
    signal,
    input: commits.map((commit) => `${commit}\n`).join(''),
  });
  const lines = splitLines(stdout).filter((line) => line.endsWith(' commit'));
  return new Set(lines.map((line) => line.split(' ')[0] ?? ''));
}

async function requireFolder(path: string): Promise<void> {
  if (!isAbsolute(path)) {
    throw new AppError('WORKSPACE_NOT_FOUND', `Cannot send "${path}": it is not an absolute path`);
  }
  let info: Stats;
  try {
    info = await stat(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'ERR_INVALID_ARG_VALUE')) {
      throw error;
    }
    const state = isErrno(error, 'EACCES') ? 'its parent folder is not readable' : 'it does not exist';
    throw new AppError('WORKSPACE_NOT_FOUND', `Cannot send "${path}": ${state}`, {
      hint: 'give a folder in a git working tree of this host; a command comes after --',
      cause: error,
    });
  }
  if (!info.isDirectory()) {
    throw new AppError('WORKSPACE_NOT_FOUND', `Cannot send "${path}": it is not a folder`, {
      hint: `give its folder: "${dirname(path)}"`,
    });
  }
}

/**
 * The answers in the order of the questions. The working tree's top comes last, because git stops there when
 * there is none.
 */
async function revParse(git: Git, path: string, { signal }: Abortable): Promise<string[]> {
  const questions = [
    ...['--is-bare-repository', '--is-inside-git-dir', '--is-inside-work-tree', '--path-format=absolute'],
    ...['--git-dir', '--git-common-dir', '--show-object-format', '--show-toplevel'],
  ];
  try {
    const { stdout } = await git.run(['rev-parse', ...questions], { signal });
    return splitLines(stdout);
  } catch (error) {
    if (!isAppError(error, 'WORKSPACE_GIT_FAILED')) throw error;
    return await explainRefusal(error, { git, path, signal, questions });
  }
}

/**
 * Finds out why git refused, from facts instead of git's message: its output before it stopped, and what is
 * on disk.
 */
async function explainRefusal(
  error: AppError,
  context: Abortable & { git: Git; path: string; questions: string[] },
): Promise<string[]> {
  const { git, path, signal, questions } = context;
  const { stdout } = await git.run(['rev-parse', ...questions.slice(0, -1)], { signal, okCodes: [0, 128] });
  const lines = splitLines(stdout);
  if (lines[0] === 'true' || lines[1] === 'true') return lines;
  const entry = await findGitEntry(path);
  if (entry === undefined) {
    throw new AppError('WORKSPACE_NOT_GIT', `Cannot send "${path}": it is not in a git repository`, {
      hint: 'make it one (git init && git add -A), or start a VM without files: banger vm run',
      cause: error,
    });
  }
  await requireLeadsSomewhere(entry, { path, cause: error });
  throw new AppError('WORKSPACE_GIT_FAILED', `Cannot send "${path}": git cannot use its repository`, {
    hint: (await isForeign(entry))
      ? `git config --global --add safe.directory "${dirname(entry)}"`
      : undefined,
    cause: error.cause,
  });
}

/** Refuses a `.git` file, of a linked working tree or submodule, that leads to nothing. */
async function requireLeadsSomewhere(
  entry: string,
  { path, cause }: { path: string; cause: AppError },
): Promise<void> {
  const content = await readSmallFile(entry, { followLink: false });
  const [, named] = /^gitdir: (.+?)\n*$/s.exec(content?.toString('utf8') ?? '') ?? [];
  if (named === undefined) return;
  const target = resolve(dirname(entry), named);
  try {
    await stat(target);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) throw error;
    const message = `Cannot send "${path}": its .git file leads to "${printable(target)}", which does not exist`;
    throw new AppError('WORKSPACE_GIT_FAILED', message, {
      hint: `if its repository was moved, run there: git worktree repair "${dirname(entry)}"`,
      details: { path, target },
      cause: cause.cause,
    });
  }
}

/** The nearest `.git` at or above `path`. */
async function findGitEntry(path: string): Promise<string | undefined> {
  for (let folder = await realpath(path); ; folder = dirname(folder)) {
    const entry = join(folder, '.git');
    try {
      await lstat(entry);
      return entry;
    } catch (error) {
      if (!isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) throw error;
    }
    if (folder === dirname(folder)) return undefined;
  }
}

/**
 * True when git considers the repository somebody else's ("dubious ownership"; `safe.directory` in
 * git-config(1)).
 */
async function isForeign(entry: string): Promise<boolean> {
  const owners = await Promise.all([lstat(entry), lstat(dirname(entry))]);
  return owners.some((owner) => owner.uid !== process.geteuid?.());
}

async function requireGit(git: Git, { signal }: Abortable): Promise<void> {
  const { stdout } = await git.run(['--version'], { signal, deadlineMs: PROBE_DEADLINE_MS });
  const found = /(\d+)\.(\d+)(\.\d+)*/.exec(stdout.toString('latin1'));
  const [major = 0, minor = 0] = OLDEST_GIT.split('.').map(Number);
  const isNewEnough =
    found !== null && (Number(found[1]) > major || (Number(found[1]) === major && Number(found[2]) >= minor));
  if (!isNewEnough) throw gitTooOld(found?.[0] ?? stdout.toString('latin1').trim(), OLDEST_GIT);
}

function splitLines(output: Buffer): string[] {
  return output.toString('utf8').split('\n').slice(0, -1);
}
