import { rm } from 'node:fs/promises';
import type { Abortable } from '../../base/abort.ts';
import { AppError, printable } from '../../base/errors.ts';
import { openStaging, sweepStaging } from '../../base/files/staging.ts';
import type { Logger } from '../../base/log.ts';
import { ResourceStack } from '../../base/resource-stack.ts';
import type { WorkspaceSummary } from '../../protocol/api/workspace.ts';
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
  /** private temporary folder, which contains the staged `.git` */
  folder: string;
}

/**
 * Finds the repository of `path` and stages its `.git`. Leaves nothing after a failure; removes what a killed
 * process has left.
 *
 * @throws {AppError} WORKSPACE_GIT_ELSEWHERE, and those of `locateRepository` and `stageRepository`
 */
export async function openWork(
  path: string,
  options: GitWorkspaceSourceOptions & Abortable,
): Promise<WorkspaceWork> {
  const { env, userGitDir, tempDir } = options;
  await using undo = new ResourceStack();
  const tasks = new TaskGroup(options);
  undo.defer('end the running commands', () => tasks[Symbol.asyncDispose]());
  const repository = await tasks.start((task) => locateRepository(path, { ...task, env }));
  const removal = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };
  await sweepStaging(tempDir, removal);
  const staging = await openStaging(tempDir, removal);
  const folder = staging.dir;
  undo.defer('remove the temporary folder', async () => {
    await staging[Symbol.asyncDispose]();
  });
  undo.defer('end the running commands', () => tasks[Symbol.asyncDispose]());
  // The check's error takes precedence: staging reads files that the check may refuse, and sends nothing
  // before both have ended.
  const [checked, staged] = await Promise.allSettled([
    refuseLinksOut(repository, { signal: tasks.signal }),
    stageRepository(repository, { signal: tasks.signal, folder, env, userGitDir }),
  ]);
  if (checked.status === 'rejected') throw checked.reason;
  if (staged.status === 'rejected') throw staged.reason;
  const owned = undo.move();
  return {
    repository,
    staged: staged.value,
    tasks,
    folder,
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** A description of the working tree; the caller adds the depth. */
export function describeWorkspace(
  { repository, staged }: WorkspaceWork,
  {
    trackedCount,
    untrackedCount,
    tooling,
  }: Pick<WorkspaceSummary, 'trackedCount' | 'untrackedCount'> & {
    tooling: WorkspaceSummary['tooling'] | undefined;
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
  };
}

/** @throws {AppError} WORKSPACE_SUBMODULES */
export async function listIndex(
  { repository, staged }: WorkspaceWork,
  { signal }: Abortable,
): Promise<IndexListing> {
  const { stdout } = await staged.git.run(INDEX_LISTING_ARGS, { signal });
  const listing = parseIndexListing(stdout);
  if (listing.gitlinks.length > 0) throw submodulesError(repository.root, listing.gitlinks.map(textOf));
  return listing;
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
export async function countUntracked({ staged }: WorkspaceWork, { signal }: Abortable): Promise<number> {
  const { stdout, done } = staged.git.stream(UNTRACKED, { signal });
  let count = 0;
  for await (const chunk of stdout) {
    for (let at = chunk.indexOf(0); at >= 0; at = chunk.indexOf(0, at + 1)) count += 1;
  }
  await done;
  return count;
}

function submodulesError(root: string, paths: string[]): AppError {
  const named = paths.slice(0, 5).map((path) => `"${printable(path)}"`);
  const more = paths.length > named.length ? ` and ${paths.length - named.length} more` : '';
  return new AppError(
    'WORKSPACE_SUBMODULES',
    `Cannot send "${root}": it has submodules: ${named.join(', ')}${more}`,
    {
      hint: `send one of them alone: banger vm run "${root}/${printable(paths[0] ?? '')}"`,
      details: { submodules: paths },
    },
  );
}

/** Bytes held as latin1, decoded as UTF-8, which they usually are. */
export function textOf(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
