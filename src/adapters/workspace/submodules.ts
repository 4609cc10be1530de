import { lstat, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno, printable } from '../../base/errors.ts';
import type { ResourceStack } from '../../base/resource-stack.ts';
import type { IndexListing } from './git/index-listing.ts';
import {
  type GitWorkspaceSourceOptions,
  listIndex,
  openWork,
  textOf,
  type WorkspaceWork,
} from './workspace-work.ts';

/** A repository that is sent: the one that was asked for, or a submodule inside it. */
export interface SentRepository {
  /** its folder, in the repository that it is in, and so on up; empty for the one that was asked for */
  folders: readonly string[];
  work: WorkspaceWork;
  listing: IndexListing;
}

/**
 * Opens the submodules of `parent` that have a repository, and those inside them, each after the one that it
 * is in. The folders of the others are sent as they are: empty. The caller disposes of `undo`.
 *
 * @throws {AppError} WORKSPACE_SUBMODULES, and those of `openWork`
 */
export async function openSubmodules(
  parent: SentRepository,
  options: GitWorkspaceSourceOptions &
    Abortable & { noSubmodules?: boolean | undefined; undo: ResourceStack },
): Promise<SentRepository[]> {
  if (options.noSubmodules) return [];
  const opened: SentRepository[] = [];
  for (const name of parent.listing.gitlinks) {
    const path = join(parent.work.repository.root, textOf(name));
    if (!(await hasGitEntry(path))) continue;
    requireText(name, path);
    const stage = join(parent.work.stage, textOf(name));
    const work = await openWork(path, { ...options, submodule: { stage } });
    options.undo.defer('end the packing of a submodule', async () => {
      await work[Symbol.asyncDispose]();
    });
    const listing = await listIndex(work, options);
    const submodule = { folders: [...parent.folders, textOf(name)], work, listing };
    opened.push(submodule, ...(await openSubmodules(submodule, options)));
  }
  return opened;
}

/** The folders of submodules among `repositories`, as a summary names them. */
export function submoduleNames(repositories: readonly SentRepository[]): string[] {
  return repositories.filter(({ folders }) => folders.length > 0).map(({ folders }) => folders.join('/'));
}

/** The folder of a repository in the working tree, with a slash at the end; empty for the one asked for. */
export function prefixOf({ folders }: SentRepository): string {
  return folders.map((name) => `${name}/`).join('');
}

/** The submodules of a repository, without those inside them, that have a repository. */
export async function initialised(
  { root }: { root: string },
  gitlinks: readonly string[],
): Promise<string[]> {
  const found: string[] = [];
  for (const name of gitlinks) if (await hasGitEntry(join(root, textOf(name)))) found.push(textOf(name));
  return found;
}

/** Whether the folder, which is not behind a link, has a `.git`. */
async function hasGitEntry(path: string): Promise<boolean> {
  try {
    await lstat(join(path, '.git'));
    return (await realpath(path)) === path;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG')) return false;
    throw error;
  }
}

function requireText(name: string, path: string): void {
  if (Buffer.from(textOf(name)).toString('latin1') === name) return;
  throw new AppError(
    'WORKSPACE_SUBMODULES',
    `Cannot send the submodule "${printable(path)}": its name is not UTF-8`,
    { hint: '--no-submodules leaves its folder empty' },
  );
}
