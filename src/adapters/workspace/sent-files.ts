import type { Abortable } from '../../base/abort.ts';
import type { WorkspaceContent } from '../../core/ports/workspace.ts';
import { refreshTracked } from './filters/refresh-tracked.ts';
import type { IndexListing } from './git/index-listing.ts';
import { nulList } from './git/nul-list.ts';
import { listPresentFiles, listPresentUntracked, type TrackedFiles } from './git/tracked-files.ts';
import { prefixOf, type SentRepository } from './submodules.ts';
import { countUntracked, listUntracked, type WorkspaceWork } from './workspace-work.ts';

// Which files of a working tree are sent.

/** The tracked files to send, each name ended by NUL. */
export async function listTracked(
  repositories: readonly SentRepository[],
  { noSubmodules, signal }: Abortable & { noSubmodules?: boolean | undefined },
): Promise<Buffer> {
  const lists: Buffer[] = [];
  for (const each of repositories) {
    const { work, listing } = each;
    const { present } = await trackedFiles(work, { listing, noSubmodules, signal });
    lists.push(prefixed(present, prefixOf(each)));
  }
  return Buffer.concat(lists);
}

/** The number of tracked files, some of which may be deleted. */
export function countOf(repositories: readonly SentRepository[]): number {
  return repositories.reduce((sum, { listing }) => sum + listing.paths.length, 0);
}

/** Refreshes the staged index and looks up its files. */
export async function trackedFiles(
  work: WorkspaceWork,
  options: Abortable & { listing: IndexListing; noSubmodules?: boolean | undefined },
): Promise<TrackedFiles> {
  const { listing, noSubmodules, signal } = options;
  const filtered = await refreshTracked(work, { listing, signal });
  const { root } = work.repository;
  const tracked = await listPresentFiles(work.staged, { root, listing, filtered, signal });
  if (!noSubmodules || listing.gitlinks.length === 0) return tracked;
  // Their folders are empty in the guest, and git does not compare those.
  const gitlinks = new Set(listing.gitlinks);
  return { ...tracked, changed: tracked.changed.filter((path) => !gitlinks.has(path)) };
}

/** {@link untrackedNames} of each. */
export async function allUntracked(
  repositories: readonly SentRepository[],
  options: Abortable & WorkspaceContent,
): Promise<{ count: number; names: Buffer }[]> {
  const found: { count: number; names: Buffer }[] = [];
  for (const { work } of repositories) found.push(await untrackedNames(work, options));
  return found;
}

/** The untracked files to send (none unless requested), and how many there are. */
export async function untrackedNames(
  work: WorkspaceWork,
  { includeUntracked, signal }: Abortable & WorkspaceContent,
): Promise<{ count: number; names: Buffer }> {
  if (!includeUntracked) return { count: await countUntracked(work, { signal }), names: Buffer.alloc(0) };
  const paths = await listUntracked(work, { signal });
  const { root } = work.repository;
  return { count: paths.length, names: await listPresentUntracked(paths, { root, signal }) };
}

/** Names in a list, each ended by NUL, in another folder. */
export function prefixed(names: Buffer, prefix: string): Buffer {
  if (prefix === '' || names.length === 0) return names;
  const bytes = Buffer.from(prefix).toString('latin1');
  const list = names.toString('latin1').split('\0').slice(0, -1);
  return Buffer.from(nulList(list.map((name) => bytes + name)), 'latin1');
}
