import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { readdirIfThere } from '../../../base/files/if-there.ts';
import type { DeltaBase, TreeLook } from '../../../core/ports/workspace.ts';
import { SHALLOW, shallowFile, USER_ATTRIBUTES } from '../config-files.ts';
import { listRefs } from '../git/git-refs.ts';
import { stageHistory } from '../git/history.ts';
import { INDEX_LISTING_ARGS } from '../git/index-listing.ts';
import { looseObject } from '../git/loose-object.ts';
import { findAbsent, parseRawDiff, RAW_DIFF } from '../git/tracked-files.ts';
import { allEnded } from '../task-group.ts';
import type { WorkspaceWork } from '../workspace-work.ts';
import { endsAsSent } from './delta-objects.ts';
import { smallGitFiles } from './git-files.ts';
import { digestOf } from './index-facts.ts';
import type { KeptChoice } from './kept-facts.ts';
import { type KeptTree, refsDigest } from './kept-tree.ts';
import { stageSentTreeOrThrow } from './stage-sent-tree.ts';
import type { TreeToSend } from './tree-to-send.ts';

/*
 * When only files have changed since a tree was kept, its index says which ones: git compares it with the
 * disk, in one walk. Listing the user's index, refreshing a copy of it and planning the history, which take
 * most of the time for a large tree, would find what is kept.
 */

/** Objects that the kept tree may have of its own: all of them are taken over, so their number grows. */
const MAX_KEPT_FOLDERS = 200;

/** What {@link treeSinceKept} needs to know. */
interface SinceOptions extends Abortable {
  kept: KeptTree;
  choice: KeptChoice;
  /** objects that an unfinished operation needs */
  mentioned: readonly string[];
  look?: TreeLook | undefined;
}

/**
 * The working tree to send, found from the one that was kept: staged changes, HEAD, refs and settings have to
 * be as they were kept. `undefined` when they are not, the kept tree is none that its index describes, or git
 * cannot use it.
 */
export async function treeSinceKept(
  work: WorkspaceWork,
  options: SinceOptions,
): Promise<TreeToSend | undefined> {
  try {
    return await readSinceKept(work, options);
  } catch (error) {
    options.signal.throwIfAborted();
    if (isAppError(error, 'WORKSPACE_GIT_FAILED')) return undefined;
    throw error;
  }
}

async function readSinceKept(work: WorkspaceWork, options: SinceOptions): Promise<TreeToSend | undefined> {
  const { kept, look, signal } = options;
  const { repository, staged } = work;
  if (!isComparable(work, options) || !(await isSameSurroundings(work, kept))) return undefined;
  const indexPath = join(kept.gitDir, 'index');
  const [diff, refs, hasSameEntries] = await allEnded([
    look?.sentCommit === kept.commit
      ? Promise.resolve({ stdout: look.touched })
      : staged.git.run(RAW_DIFF, { signal, env: { GIT_INDEX_FILE: indexPath } }),
    listRefs(repository.git, { signal }),
    isSameIndex(work, { kept, signal }),
  ]);
  if (!hasSameEntries) return undefined;
  const known = staged.head.commit === undefined ? [] : refs;
  if (refsDigest(known) !== kept.refsDigest) return undefined;
  const { deleted, changed } = parseRawDiff(diff.stdout);
  const paths = changed.map(({ path }) => path);
  // They may name filters, or convert files in another way than before.
  if ([...deleted, ...paths].some((path) => /(^|\/)\.gitattributes$/.test(path))) return undefined;
  const absent = await findAbsent(repository.root, paths, { listing: { gitlinks: [] }, signal });
  const tracked = {
    changed: paths.filter((path) => !absent.has(path)),
    deleted: [...deleted, ...absent],
    filtered: [],
    uncheckedPresent: [],
    uncheckedAbsent: [],
  };
  const { indexTree } = kept;
  const from = {
    indexPath,
    objectsPath: join(kept.gitDir, 'objects'),
    ...(indexTree === undefined ? {} : { indexTree }),
  };
  const sent = await stageSentTreeOrThrow(work, { ...tracked, untracked: Buffer.alloc(0), from, signal });
  const plan = { refs: known, carried: new Set(Object.keys(kept.refs)), tips: [], cutAt: kept.cutAt };
  await stageHistory(staged, plan);
  const { namesDigest, entriesDigest, summary } = kept;
  const index = { count: summary.trackedCount, namesDigest, entriesDigest, gitlinks: [], isChecked: true };
  return { index, tracked, sent, plan };
}

/**
 * Whether the guest has nothing but the kept tree: then it needs no index, HEAD and history of the host's.
 */
export function isAtKept(kept: KeptTree, base: DeltaBase): boolean {
  return (
    base.sentCommit === kept.commit && base.headCommit === kept.head.commit && base.alsoPaths === undefined
  );
}

function isComparable(
  { repository, staged }: WorkspaceWork,
  { kept, choice, mentioned }: SinceOptions,
): boolean {
  return (
    kept.isPlain === true &&
    mentioned.length === 0 &&
    !staged.isPartial &&
    repository.gitDir === kept.userGitDir &&
    repository.root === kept.root &&
    !choice.isWithUntracked &&
    choice.isWhole === kept.choice.isWhole &&
    isDeepStrictEqual(staged.head, kept.head) &&
    isDeepStrictEqual(staged.settings, kept.settings)
  );
}

/** Git also writes the user's index to note the times of files. */
async function isSameIndex(
  { staged }: WorkspaceWork,
  { kept, signal }: Abortable & { kept: KeptTree },
): Promise<boolean> {
  if (staged.indexStamp !== undefined && staged.indexStamp === kept.indexStamp) return true;
  const { stdout } = await staged.git.run(INDEX_LISTING_ARGS, { signal });
  return digestOf(stdout) === kept.entriesDigest;
}

/**
 * Whether settings and attributes outside of the tree are as they were kept, history ends at the same
 * commits, and there are few objects to take over.
 */
async function isSameSurroundings({ staged }: WorkspaceWork, kept: KeptTree): Promise<boolean> {
  const files: Record<string, string> = { ...(await smallGitFiles(staged)) };
  const shallow = shallowFile(staged.shallow, kept.cutAt);
  if (shallow) files[SHALLOW] = looseObject('blob', shallow, staged).name;
  const areSame = CONVERTING.every((name) => files[name] === kept.gitFiles[name]) && endsAsSent(kept, files);
  return areSame && (await readdirIfThere(join(kept.gitDir, 'objects'))).length <= MAX_KEPT_FOLDERS;
}

/** Files of `.git` that decide what git stores of a file, and which files there are. */
const CONVERTING = ['config', 'info/attributes', USER_ATTRIBUTES, 'info/sparse-checkout'] as const;
