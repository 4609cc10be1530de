import type { TreeEntry } from '../../sent/tree-changes.ts';

/** What one path is on three sides; absent: nothing is there. */
export interface ThreeSides {
  /** in the tree that both sides began with */
  base: TreeEntry | undefined;
  /** in the working tree on the host */
  ours: TreeEntry | undefined;
  /** in the guest */
  theirs: TreeEntry | undefined;
}

/** What a pull does with one path. */
export type MergeStep =
  /** the host has what the guest has, or only the host has changed it */
  | { do: 'nothing' }
  | { do: 'write'; entry: TreeEntry }
  | { do: 'delete' }
  /** both sides have changed the content; the mode is already merged */
  | { do: 'merge'; mode: string; base: string; ours: string; theirs: string }
  | { do: 'conflict'; reason: string };

/** Decides what happens to a path, as git's three-way merge does without a search for renames. Pure. */
export function mergeStep({ base, ours, theirs }: ThreeSides): MergeStep {
  if (isSame(base, theirs) || isSame(ours, theirs)) return { do: 'nothing' };
  if (isSame(base, ours)) return theirs ? { do: 'write', entry: theirs } : { do: 'delete' };
  if (!theirs) return conflict('changed here, deleted in the VM');
  if (!ours) return conflict('deleted here, changed in the VM');
  if (!base) return conflict('added here and in the VM, with different content');
  if (![base, ours, theirs].every(isRegular))
    return conflict('changed here and in the VM, and not both are files');
  const mode = base.mode === ours.mode ? theirs.mode : ours.mode;
  if (base.object === theirs.object || ours.object === theirs.object) {
    return ours.mode === mode ? { do: 'nothing' } : { do: 'write', entry: { mode, object: ours.object } };
  }
  if (base.object === ours.object) return { do: 'write', entry: { mode, object: theirs.object } };
  return { do: 'merge', mode, base: base.object, ours: ours.object, theirs: theirs.object };
}

/** Whether both are the same, or neither exists. */
export function isSame(a: TreeEntry | undefined, b: TreeEntry | undefined): boolean {
  return a?.mode === b?.mode && a?.object === b?.object;
}

function isRegular({ mode }: TreeEntry): boolean {
  return mode !== '120000';
}

function conflict(reason: string): MergeStep {
  return { do: 'conflict', reason };
}
