import type { Abortable } from '../../../base/abort.ts';
import type { IndexListing } from '../git/index-listing.ts';
import { refreshIndex } from '../git/staged-repository.ts';
import type { WorkspaceWork } from '../workspace-work.ts';
import { findFiltered } from './find-filtered.ts';
import { keepFilteredClean, readStatsBefore } from './keep-clean.ts';

/**
 * Refreshes the staged index, so that it says of each file whether it was changed, also of those with a
 * filter. Returns the names of those.
 */
export async function refreshTracked(
  work: WorkspaceWork,
  { listing, signal }: Abortable & { listing: IndexListing },
): Promise<string[]> {
  const filtered = await findFiltered(work, { listing, signal });
  const before = filtered.length > 0 ? await readStatsBefore(work, { signal }) : undefined;
  await refreshIndex(work.staged, { signal });
  if (before) await keepFilteredClean(work, { filtered, before, signal });
  return filtered;
}
