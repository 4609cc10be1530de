import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { TrackedFiles } from '../git/tracked-files.ts';
import type { WorkspaceWork } from '../workspace-work.ts';
import { type DeltaParts, objectEnv } from './delta-objects.ts';
import { gitOfKept } from './kept-tree.ts';
import { changesBetween, parseTree, parseTreeDiff, type TreeChange } from './tree-changes.ts';

/** The files in which the tree that is sent differs from what the guest was sent. */
export async function treeChanges(
  work: WorkspaceWork,
  {
    tracked,
    env,
    signal,
    ...parts
  }: DeltaParts & Abortable & { tracked: Pick<TrackedFiles, 'uncheckedAbsent'>; env: NodeJS.ProcessEnv },
): Promise<TreeChange[]> {
  const { base, kept, sent } = parts;
  const changes = new Map(
    (await diffTrees(work, { ...parts, env, signal })).map((each) => [each.path, each]),
  );
  // Files that git was told not to look at, as they are on disk.
  const before = new Map(kept?.unchecked);
  for (const [path, after] of sent.unchecked) {
    const old = before.get(path) ?? changes.get(path)?.before;
    if (old?.mode === after.mode && old.object === after.object) changes.delete(path);
    else changes.set(path, { path, ...(old ? { before: old } : {}), after });
  }
  if (base.alsoPaths && base.alsoPaths.length > 0) {
    const now = await treeNow(work, parts, { signal });
    for (const path of base.alsoPaths) {
      const after = sent.unchecked.get(path) ?? now.get(path);
      if (after && !changes.has(path)) changes.set(path, { path, after });
    }
  }
  // Outside a sparse checkout: not on this disk, and not to be on the guest's.
  for (const path of tracked.uncheckedAbsent) changes.delete(path);
  return [...changes.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function diffTrees(
  work: WorkspaceWork,
  { env, signal, ...parts }: DeltaParts & Abortable & { env: NodeJS.ProcessEnv },
): Promise<TreeChange[]> {
  const { listing = Buffer.alloc(0), kept, sent } = parts;
  if (!kept) return changesBetween(parseTree(listing), await treeNow(work, parts, { signal }));
  const args = ['diff-tree', '-r', '--raw', '-z', '--no-renames', kept.commit, sent.commit];
  try {
    const { stdout } = await work.staged.git.run(args, { signal, env: objectEnv(work, parts) });
    return parseTreeDiff(stdout);
  } catch (error) {
    if (!isAppError(error, 'WORKSPACE_GIT_FAILED')) throw error;
    // The user's git has deleted objects of the tree that was sent; the kept index still lists it.
    const { stdout } = await gitOfKept(kept, { env }).run(['ls-files', '--stage', '-z'], { signal });
    return changesBetween(parseTree(stdout), await treeNow(work, parts, { signal }));
  }
}

async function treeNow(
  { staged }: WorkspaceWork,
  { sent }: DeltaParts,
  { signal }: Abortable,
): Promise<ReturnType<typeof parseTree>> {
  const env = { GIT_INDEX_FILE: sent.indexPath };
  return parseTree((await staged.git.run(['ls-files', '--stage', '-z'], { signal, env })).stdout);
}
