import { invariant } from '../../../base/errors.ts';
import { requireInside } from '../git/index-listing.ts';

/** A file, link or absence of one in a tree. */
export interface TreeEntry {
  /** `100644`, `100755` or `120000` */
  mode: string;
  /** name of its blob */
  object: string;
}

/** A path at which two trees differ. Paths are latin1. */
export interface TreeChange {
  path: string;
  /** absent: the tree before has nothing there */
  before?: TreeEntry;
  /** absent: the tree after has nothing there */
  after?: TreeEntry;
}

/**
 * Parses `git diff-tree -r --raw -z --no-renames` of two trees (git-diff(1), "raw output format"):
 *
 *     ':' mode SP mode SP object SP object SP status NUL path NUL
 */
export function parseTreeDiff(output: Buffer): TreeChange[] {
  const fields = output.toString('latin1').split('\0');
  const changes: TreeChange[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [oldMode = '', newMode = '', oldObject = '', newObject = ''] = (fields[at] ?? '')
      .slice(1)
      .split(' ');
    const path = fields[at + 1] ?? '';
    requireInside(path);
    // A submodule, which has a delta of its own.
    if (!isFile(oldMode) && !isFile(newMode)) continue;
    changes.push({
      path,
      ...(isFile(oldMode) ? { before: { mode: oldMode, object: oldObject } } : {}),
      ...(isFile(newMode) ? { after: { mode: newMode, object: newObject } } : {}),
    });
  }
  return changes;
}

/**
 * Parses `git ls-tree -r -z` (`mode SP type SP object TAB path NUL`), which may come from a guest, or
 * `git ls-files --stage -z` (`mode SP object SP stage TAB path NUL`). Ignores commits of submodules.
 *
 * @throws {AppError} WORKSPACE_GIT_FAILED for a path that leaves the tree
 */
export function parseTree(output: Buffer): Map<string, TreeEntry> {
  const tree = new Map<string, TreeEntry>();
  for (const record of output.toString('latin1').split('\0')) {
    const match = /^(\d{6}) (?:blob )?([0-9a-f]{40,64})(?: 0)?\t(.+)$/s.exec(record);
    if (!match) continue;
    const [, mode = '', object = '', path = ''] = match;
    requireInside(path);
    if (isFile(mode)) tree.set(path, { mode, object });
  }
  return tree;
}

/** Where `after` differs from `before`. */
export function changesBetween(
  before: ReadonlyMap<string, TreeEntry>,
  after: ReadonlyMap<string, TreeEntry>,
): TreeChange[] {
  const changes: TreeChange[] = [];
  for (const [path, entry] of after) {
    const old = before.get(path);
    if (old?.mode === entry.mode && old.object === entry.object) continue;
    changes.push({ path, ...(old ? { before: old } : {}), after: entry });
  }
  for (const [path, entry] of before) if (!after.has(path)) changes.push({ path, before: entry });
  return changes;
}

/** The folders that `paths` are in, deepest first. */
export function foldersOf(paths: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      folders.add(path.slice(0, end));
    }
  }
  return [...folders].sort((a, b) => b.length - a.length);
}

function isFile(mode: string): boolean {
  invariant(/^\d{6}$/.test(mode), 'git names a mode that is none');
  return mode === '100644' || mode === '100755' || mode === '120000';
}
