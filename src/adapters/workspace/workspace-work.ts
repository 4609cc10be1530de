import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, printable } from '../../base/errors.ts';
import { reportNoSpace } from '../../base/files/no-space.ts';
import { openStaging, sweepStaging } from '../../base/files/staging.ts';
import type { Logger } from '../../base/log.ts';
import { ResourceStack } from '../../base/resource-stack.ts';
import type { WorkspaceSummary } from '../../protocol/api/workspace.ts';
import type { Git } from './git/git-command.ts';
import { refuseLinksOut } from './git/git-folder-links.ts';
import { type HostRepository, locateRepository } from './git/git-repository.ts';
import { INDEX_LISTING_ARGS, type IndexListing, parseIndexListing } from './git/index-listing.ts';
import { type StagedRepository, stageRepository } from './git/staged-repository.ts';
import { TaskGroup } from './task-group.ts';

/** What the workspace source needs. */
export interface GitWorkspaceSourceOptions {
  /** parent of temporary folders, which `base/files/staging.ts` makes and sweeps; daemons may share it */
  tempDir: string;
  /** the user's environment: `PATH` for git and tar, `HOME` for git's configuration */
  env: NodeJS.ProcessEnv;
  /**
   * where git looks for the user's `ignore` and `attributes` when nothing else is configured (gitignore(5))
   */
  userGitDir: string;
  log: Logger;
  /** largest history, as git stores it, that is sent whole, in `bytes`; default: 512 MiB */
  maxHistoryBytes?: number;
}

/** A repository that is being read. Disposing ends running commands and removes the temporary folder. */
export interface WorkspaceWork extends AsyncDisposable {
  repository: HostRepository;
  staged: StagedRepository;
  tasks: TaskGroup;
  /** private temporary folder */
  folder: string;
  /** folder that contains the staged `.git`, and those of submodules */
  stage: string;
}

const removal = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

/** Runs a packing; its failure for lack of space says so. @throws {AppError} HOST_NO_SPACE */
export async function withinSpace<T>(
  { tempDir }: Pick<GitWorkspaceSourceOptions, 'tempDir'>,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!existsSync(tempDir)) throw error;
    const again = (): Promise<never> => Promise.reject(error);
    return await reportNoSpace(again, { what: 'a copy of a working tree', dir: tempDir });
  }
}

/** Removes the temporary folders of packings whose daemon was killed. Idempotent. */
export async function sweepWork({ tempDir }: Pick<GitWorkspaceSourceOptions, 'tempDir'>): Promise<void> {
  await sweepStaging(tempDir, removal);
}

/**
 * Finds the repository of `path` and stages its `.git`. Leaves nothing after a failure; removes what a killed
 * process has left.
 *
 * @throws {AppError} WORKSPACE_GIT_ELSEWHERE, WORKSPACE_SUBMODULES, and those of `locateRepository` and
 * `stageRepository`
 */
export async function openWork(
  path: string,
  options: GitWorkspaceSourceOptions &
    Abortable & {
      /** for a submodule: where its `.git` goes, and that `path` is the top of its working tree */
      submodule?: { stage: string };
    },
): Promise<WorkspaceWork> {
  const { env, userGitDir, tempDir } = options;
  await using undo = new ResourceStack();
  const tasks = new TaskGroup(options);
  undo.defer('end the running commands', () => tasks[Symbol.asyncDispose]());
  const repository = await tasks.start((task) => locateRepository(path, { ...task, env }));
  if (options.submodule && repository.root !== path) throw notARepository(path);
  await sweepWork(options);
  const staging = await openStaging(tempDir, removal);
  const folder = staging.dir;
  undo.defer('remove the temporary folder', async () => {
    await staging[Symbol.asyncDispose]();
  });
  undo.defer('end the running commands', () => tasks[Symbol.asyncDispose]());
  const stage = options.submodule?.stage ?? join(folder, 'stage');
  await mkdir(stage, { recursive: true });
  // The check's error takes precedence: staging reads files that the check may refuse, and sends nothing
  // before both have ended.
  const [checked, staged] = await Promise.allSettled([
    refuseLinksOut(repository, { signal: tasks.signal }),
    stageRepository(repository, { signal: tasks.signal, folder: stage, home: folder, env, userGitDir }),
  ]);
  if (checked.status === 'rejected') throw checked.reason;
  if (staged.status === 'rejected') throw staged.reason;
  const owned = undo.move();
  return {
    repository,
    staged: staged.value,
    tasks,
    folder,
    stage,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

function notARepository(path: string): AppError {
  return new AppError(
    'WORKSPACE_SUBMODULES',
    `Cannot send the submodule "${printable(path)}": its .git is not a repository`,
    { hint: 'git submodule update --init makes it one, and --no-submodules leaves its folder empty' },
  );
}

/** A description of the working tree; the caller adds the depth. */
export function describeWorkspace(
  { repository, staged }: WorkspaceWork,
  {
    trackedCount,
    untrackedCount,
    tooling,
    submodules,
  }: Pick<WorkspaceSummary, 'trackedCount' | 'untrackedCount'> & {
    tooling: WorkspaceSummary['tooling'] | undefined;
    submodules: readonly string[];
  },
): WorkspaceSummary {
  const { commit, ref } = staged.head;
  return {
    repoRoot: repository.root,
    repoName: repository.name,
    ...(commit === undefined ? {} : { headCommit: commit }),
    ...(ref === undefined ? {} : { branch: textOf(ref.replace(/^refs\/heads\//, '')) }),
    trackedCount,
    untrackedCount,
    ...(tooling ? { tooling } : {}),
    ...(submodules.length > 0 ? { submodules: [...submodules] } : {}),
  };
}

/** Lists the staged index. @throws {AppError} WORKSPACE_GIT_FAILED */
export async function listIndex({ staged }: WorkspaceWork, { signal }: Abortable): Promise<IndexListing> {
  const { stdout } = await staged.git.run(INDEX_LISTING_ARGS, { signal });
  return parseIndexListing(stdout);
}

const UNTRACKED = ['ls-files', '--others', '--exclude-standard', '-z'];

/**
 * Files that git neither tracks nor ignores, in latin1. A repository inside this one is a single name that
 * ends with a slash.
 */
export async function listUntracked({ staged }: WorkspaceWork, { signal }: Abortable): Promise<string[]> {
  const { stdout } = await staged.git.run(UNTRACKED, { signal });
  return stdout.toString('latin1').split('\0').slice(0, -1);
}

/** How many names {@link listUntracked} would return. */
export async function countUntracked({ staged }: WorkspaceWork, call: Abortable): Promise<number> {
  return await countOthers(staged.git, call);
}

/** {@link countUntracked} of the files that are not in the index of `git`. */
export async function countOthers(git: Git, { signal }: Abortable): Promise<number> {
  const { stdout, done } = git.stream(UNTRACKED, { signal });
  let count = 0;
  for await (const chunk of stdout) {
    for (let at = chunk.indexOf(0); at >= 0; at = chunk.indexOf(0, at + 1)) count += 1;
  }
  await done;
  return count;
}

/** Bytes held as latin1, decoded as UTF-8, which they usually are. */
export function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
