import { createHash } from 'node:crypto';
import { AppError, invariant } from '../../../base/errors.ts';

/**
 * The content of an index. Paths are latin1, one character per byte, because names on disk have no encoding.
 */
export interface IndexListing {
  /** every tracked path once, in index order */
  paths: string[];
  /** those that git does not compare with the disk: assume-unchanged, skip-worktree, unmerged */
  unchecked: string[];
  /** those of them that a merge left in conflict */
  unmerged: string[];
  /** commits of other repositories: submodules */
  gitlinks: string[];
  /** of the entries, their flags included */
  digest: string;
}

/** `git ls-files` arguments whose output {@link parseIndexListing} reads. */
export const INDEX_LISTING_ARGS = ['ls-files', '-v', '--stage', '-z'] as const;

const GITLINK_MODE = '160000';

/**
 * Parses the output of `git ls-files -v --stage -z`, one record per entry:
 *
 *     tag SP mode SP object SP stage TAB path NUL
 *
 * The tag is `H`, `M` for an unmerged path, `S` for skip-worktree, and in lower case when the entry is
 * assumed to be unchanged.
 *
 * @throws {AppError} WORKSPACE_GIT_FAILED for a path that no git writes and that would leave the working tree
 */
export function parseIndexListing(output: Buffer): IndexListing {
  const listing: IndexListing = {
    paths: [],
    unchecked: [],
    unmerged: [],
    gitlinks: [],
    digest: createHash('sha256').update(output).digest('hex'),
  };
  let last: string | undefined;
  for (const record of output.toString('latin1').split('\0')) {
    if (record === '') continue;
    const tab = record.indexOf('\t');
    invariant(tab > 0, 'a record of git ls-files has no path');
    const path = record.slice(tab + 1);
    // The stages of a conflict are adjacent.
    if (path === last) continue;
    last = path;
    requireInside(path);
    listing.paths.push(path);
    if (!record.startsWith('H ')) listing.unchecked.push(path);
    if (/^m/i.test(record)) listing.unmerged.push(path);
    if (record.startsWith(GITLINK_MODE, 2)) listing.gitlinks.push(path);
  }
  return listing;
}

/**
 * Accepts a path that git accepts: no empty, `.`, `..` or `.git` part. An index from others may contain any
 * path.
 *
 * @throws {AppError} WORKSPACE_GIT_FAILED
 */
export function requireInside(path: string): void {
  if (!/(?:^|\/)(?:\.{0,2}|\.git)(?:\/|$)/i.test(path)) return;
  throw new AppError(
    'WORKSPACE_GIT_FAILED',
    `Cannot send "${path}": the repository's index has a path that leaves it`,
    {
      details: { path },
    },
  );
}
