import { createHash } from 'node:crypto';
import type { IndexListing } from '../git/index-listing.ts';
import { nulList } from '../git/nul-list.ts';

/** What is kept of an index, so that a later one can be compared with it. Text is latin1. */
export interface IndexFacts {
  /** number of tracked paths */
  count: number;
  namesDigest: string;
  /** of the entries, with their flags */
  entriesDigest: string;
  /** folders of submodules */
  gitlinks: readonly string[];
  /** git compares every entry with the disk, and none is in conflict */
  isChecked: boolean;
}

/** The facts about a listed index. */
export function factsOfIndex({ paths, unchecked, gitlinks, digest }: IndexListing): IndexFacts {
  return {
    count: paths.length,
    namesDigest: digestOf(nulList(paths)),
    entriesDigest: digest,
    gitlinks,
    isChecked: unchecked.length === 0,
  };
}

/** A digest of text or bytes, for comparing. */
export function digestOf(content: string | Buffer): string {
  const hash = createHash('sha256');
  return (typeof content === 'string' ? hash.update(content, 'latin1') : hash.update(content)).digest('hex');
}
