import { nulList } from '../git/nul-list.ts';
import { parseTree, type TreeChange } from './tree-changes.ts';

/**
 * The paths that a guest would lose if `changes` were applied, from the parts that `apply.sh` prints
 * (`apply-script.ts`): the raw diffs of its files to the entries before and after, the names of what is in
 * the way, and what its own index says of files with a filter. The text is the guest's and may be anything.
 */
export function lostPaths(printed: Buffer, changes: readonly TreeChange[]): string[] {
  const parts = splitParts(printed.toString('latin1'));
  const fromBefore = statuses(parts.beforeDiff);
  const fromAfter = statuses(parts.afterDiff);
  const inTheWay = new Set(parts.found.map((name) => name.replace(/^\.\//, '')));
  const byPath = new Map(changes.map((change) => [change.path, change]));
  const indexed = parseTree(Buffer.from(nulList(parts.entries), 'latin1'));
  const fromIndex = statuses(parts.indexDiff);
  const isAsSent = ({ path, before }: TreeChange): boolean => {
    const entry = indexed.get(path);
    return entry?.object === before?.object && entry?.mode === before?.mode && !fromIndex.has(path);
  };
  /** Changed by the guest to something other than it would get. */
  const isLost = (change: TreeChange): boolean => {
    const { path, before, after } = change;
    if (before && indexed.has(path) && isAsSent(change)) return false;
    if (!after) return fromBefore.has(path) && fromBefore.get(path) !== 'D';
    if (before) return fromBefore.has(path) && fromAfter.has(path);
    return inTheWay.has(path) && fromAfter.has(path);
  };
  const lost = new Set(changes.filter(isLost).map(({ path }) => path));
  for (const path of inTheWay) {
    const change = byPath.get(path);
    if (!change || (change.before && change.after)) lost.add(path);
  }
  return [...lost].sort();
}

/** Lists of words, each ended by an empty word. */
type Parts = Record<'beforeDiff' | 'afterDiff' | 'found' | 'entries' | 'indexDiff', string[]>;

function splitParts(text: string): Parts {
  const parts: Parts = { beforeDiff: [], afterDiff: [], found: [], entries: [], indexDiff: [] };
  const inOrder = [parts.beforeDiff, parts.afterDiff, parts.found, parts.entries, parts.indexDiff];
  let at = 0;
  for (const word of text.split('\0')) {
    if (word === '') at += 1;
    else inOrder[at]?.push(word);
  }
  return parts;
}

/** The status letter of each path of a raw diff. */
function statuses(fields: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at + 1 < fields.length; at += 2) {
    found.set(fields[at + 1] ?? '', (fields[at] ?? '').split(' ')[4] ?? '');
  }
  return found;
}
