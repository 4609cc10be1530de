import type { TreeChange } from './tree-changes.ts';

/**
 * The paths that a guest would lose if `changes` were applied, from the three parts that `apply.sh` prints
 * (`apply-script.ts`): the raw diffs of its files to the entries before and after, and the names of what is
 * in the way. The text is the guest's and may be anything.
 */
export function lostPaths(printed: Buffer, changes: readonly TreeChange[]): string[] {
  const [beforeDiff, afterDiff, found] = splitParts(printed.toString('latin1'));
  const fromBefore = statuses(beforeDiff);
  const fromAfter = statuses(afterDiff);
  const inTheWay = new Set(found.map((name) => name.replace(/^\.\//, '')));
  const byPath = new Map(changes.map((change) => [change.path, change]));
  /** Changed by the guest to something other than it would get. */
  const isLost = ({ path, before, after }: TreeChange): boolean => {
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

/** Three lists of words, each ended by an empty word. */
function splitParts(text: string): [string[], string[], string[]] {
  const parts: [string[], string[], string[]] = [[], [], []];
  let at = 0;
  for (const word of text.split('\0')) {
    if (word === '') at += 1;
    else parts[at]?.push(word);
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
