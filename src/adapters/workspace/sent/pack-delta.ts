import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError, isErrno } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { DeltaBase, PackedDelta, WorkspaceContent } from '../../../core/ports/workspace.ts';
import { SENT_REF } from '../../../protocol/workspace-state.ts';
import type { Git } from '../git/git-command.ts';
import { type HistoryPlan, PACK_ARGS, resolveObjects } from '../git/history.ts';
import { type Head, quotePath } from '../git/staged-repository.ts';
import type { TrackedFiles } from '../git/tracked-files.ts';
import { checkNewBranch } from '../new-branch.ts';
import {
  DEFAULT_MAX_HISTORY_BYTES,
  keptChoice,
  prepareHistory,
  trackedFiles,
  untrackedNames,
} from '../pack-workspace.ts';
import { requireTar, startTar } from '../tar-stream.ts';
import { findTooling } from '../tooling.ts';
import {
  describeRepository,
  type GitWorkspaceSourceOptions,
  listIndex,
  openWork,
  type WorkspaceWork,
} from '../workspace-work.ts';
import { applyFiles, type GitFileChange } from './apply-script.ts';
import {
  carriedRefs,
  gitOfKept,
  type KeptTree,
  keepTree,
  readKept,
  refsDigest,
  smallGitFiles,
} from './kept-tree.ts';
import { lostPaths } from './lost-paths.ts';
import { type SentTree, stageSentTreeOrThrow } from './stage-sent-tree.ts';
import { changesBetween, parseTree, parseTreeDiff, type TreeChange } from './tree-changes.ts';

/** Everything that decides what a delta holds. */
interface DeltaParts {
  base: DeltaBase;
  kept: KeptTree | undefined;
  sent: SentTree;
  plan: HistoryPlan;
  entriesDigest: string;
}

/**
 * Packs what a guest lacks of the working tree that contains `path`: changed files, new objects, and what
 * else of `.git` differs, with the script that applies it (`apply-script.ts`). Leaves nothing after a
 * failure.
 */
export async function packDelta(
  path: string,
  options: GitWorkspaceSourceOptions &
    Abortable &
    WorkspaceContent & { base: Promise<DeltaBase | undefined> },
): Promise<(PackedDelta & AsyncDisposable) | undefined> {
  await using undo = new ResourceStack();
  const work = await openWork(path, options);
  undo.defer('end the packing', async () => {
    await work[Symbol.asyncDispose]();
  });
  const { repository, staged, tasks, folder } = work;
  const asked = tasks.start(() => options.base);
  const branchStart = await tasks.start((task) => checkNewBranch(work, { ...options, ...task }));
  const { maxHistoryBytes = DEFAULT_MAX_HISTORY_BYTES } = options;
  const history = tasks.start((task) => prepareHistory(work, { ...task, maxHistoryBytes, branchStart }));
  const [listing, untracked, tooling] = await Promise.all([
    tasks.start((task) => listIndex(work, task)),
    tasks.start((task) => untrackedNames(work, { ...options, ...task })),
    tasks.start(() => findTooling(repository.root)),
    tasks.start((task) => requireTar(repository.root, { ...task, env: options.env })),
  ]);
  const tracked = await tasks.start((task) => trackedFiles(work, { ...task, listing }));
  const sent = await tasks.start((task) =>
    stageSentTreeOrThrow(work, { ...task, ...tracked, untracked: untracked.names }),
  );
  const plan = await history;
  const base = await asked;
  if (!base) return undefined;
  const found = base.keptIn === undefined ? undefined : await readKept(base.keptIn);
  const kept = found?.commit === base.sentCommit ? found : undefined;
  const parts: DeltaParts = { base, kept, sent, plan, entriesDigest: listing.digest };
  const changes = await tasks.start((task) => treeChanges(work, { ...options, ...task, ...parts, tracked }));
  const meta = join(folder, 'delta', '.git');
  await mkdir(meta, { recursive: true });
  const git = await tasks.start((task) => writeGitChanges(work, { ...task, ...parts, meta }));
  for (const [name, content] of applyFiles(changes, git.files)) {
    await writeFile(join(meta, name), content, 'latin1');
  }
  if (base.alsoPaths) await writeFile(join(meta, 'discard'), '');
  const rootList = join(folder, 'files-to-send');
  const made = changes.filter(({ after }) => after).map(({ path: name }) => `${name}\0`);
  await writeFile(rootList, made.join(''), 'latin1');
  const content = { root: repository.root, rootList, stage: join(folder, 'delta') };
  const { tar, done } = startTar(
    { ...content, stageList: Readable.from(['.git\0'], { objectMode: false }) },
    { ...options, signal: tasks.signal },
  );
  undo.defer('close the stream', () => {
    tar.destroy();
  });
  const summary = {
    ...describeRepository(work),
    trackedCount: listing.paths.length,
    untrackedCount: untracked.count,
    ...(tooling ? { tooling } : {}),
  };
  const owned = undo.move();
  return {
    summary,
    ...(branchStart === undefined ? {} : { branchStart }),
    isEmpty: changes.length === 0 && git.isSame,
    ...(kept?.head.commit === undefined ? {} : { sentHead: kept.head.commit }),
    movedBranches: git.movedBranches,
    lostPaths: (printed) => lostPaths(printed, changes),
    tar,
    done,
    keep: async (dir) => {
      const choice = keptChoice(path, options);
      await keepTree(dir, { repository, staged, sent, listing, plan, choice, summary });
      return sent.commit;
    },
    [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
  };
}

/** Object folders in which the trees sent before and now are found, for git in the staged repository. */
function objectEnv({ repository, staged }: WorkspaceWork, { sent, kept }: DeltaParts): NodeJS.ProcessEnv {
  const folders = [
    ...(kept ? [join(kept.gitDir, 'objects')] : []),
    join(staged.gitDir, 'objects'),
    join(repository.commonDir, 'objects'),
  ];
  return {
    GIT_OBJECT_DIRECTORY: sent.objectsPath,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: folders.map(quotePath).join(':'),
  };
}

async function treeChanges(
  work: WorkspaceWork,
  {
    tracked,
    env,
    signal,
    ...parts
  }: DeltaParts & Abortable & { tracked: TrackedFiles; env: NodeJS.ProcessEnv },
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
  const { base, kept, sent } = parts;
  if (!kept)
    return changesBetween(parseTree(base.listing ?? Buffer.alloc(0)), await treeNow(work, parts, { signal }));
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

/** Writes what of `.git` differs to the folder `meta` of the delta. */
async function writeGitChanges(
  work: WorkspaceWork,
  { meta, signal, ...parts }: DeltaParts & Abortable & { meta: string },
): Promise<{
  files: GitFileChange[];
  /** the host has changed nothing of it since it was sent */
  isSame: boolean;
  movedBranches: ReadonlyMap<string, string | undefined>;
}> {
  const { base, kept, sent, plan, entriesDigest } = parts;
  const { staged } = work;
  const files = gitFileChanges(kept?.gitFiles ?? {}, await smallGitFiles(staged));
  for (const { name, after } of files) {
    if (!after) continue;
    await mkdir(dirname(join(meta, 'git', name)), { recursive: true });
    await cp(join(staged.gitDir, name), join(meta, 'git', name));
  }
  const refs = changedRefs(kept?.refs ?? {}, carriedRefs(plan), { guest: base.branches, head: staged.head });
  const lines = [...refs.lines, `update ${SENT_REF} ${sent.commit}\n`];
  await writeFile(join(meta, 'refs'), lines.join(''), 'latin1');
  const isHeadSame =
    kept?.head.commit === staged.head.commit && kept?.head.ref === staged.head.ref && kept !== undefined;
  const isGuestAtSent = kept !== undefined && base.headCommit === kept.head.commit;
  // A guest that was put on a branch of its own, and has done nothing there, stays on it.
  if (!isHeadSame || !isGuestAtSent || base.alsoPaths) {
    await cp(join(staged.gitDir, 'HEAD'), join(meta, 'HEAD'));
  }
  const isIndexSame = kept?.entriesDigest === entriesDigest;
  const sendsIndex = !isIndexSame || !isGuestAtSent || base.alsoPaths !== undefined;
  if (sendsIndex) {
    await copyIndex(staged.gitDir, meta);
    if (isGuestAtSent && kept.indexTree !== undefined) {
      await writeFile(join(meta, 'index-tree'), kept.indexTree);
    }
  }
  await packNew(work, { ...parts, meta, sendsIndex, signal });
  const isSame = isHeadSame && isIndexSame && files.length === 0 && refs.areSame;
  return { files, isSame: isSame && !base.alsoPaths, movedBranches: refs.branches };
}

function gitFileChanges(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): GitFileChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return names
    .filter((name) => before[name] !== after[name])
    .map((name) => ({ name, before: before[name], after: after[name] }));
}

/** Lines for `git update-ref --stdin`, and the branches among them with the commits they were sent at. */
function changedRefs(
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
  { guest, head }: { guest: ReadonlyMap<string, string>; head: Head },
): { lines: string[]; branches: Map<string, string | undefined>; areSame: boolean } {
  const lines: string[] = [];
  const branches = new Map<string, string | undefined>();
  let areSame = true;
  for (const [name, object] of Object.entries(after)) {
    if (before[name] !== object) areSame = false;
    // HEAD's branch is the host's again, also when only the guest has moved it.
    if (guest.get(name) === object || (before[name] === object && name !== head.ref)) continue;
    lines.push(`update ${name} ${object}\n`);
    if (name.startsWith('refs/heads/')) branches.set(name, before[name]);
  }
  for (const [name, object] of Object.entries(before)) {
    if (after[name] !== undefined) continue;
    areSame = false;
    // A branch that the host has deleted, and on which the guest has done nothing.
    if (guest.get(name) === object) lines.push(`delete ${name} ${object}\n`);
  }
  return { lines, branches, areSame };
}

async function copyIndex(gitDir: string, meta: string): Promise<void> {
  try {
    await writeFile(join(meta, 'index'), await readFile(join(gitDir, 'index')));
  } catch (error) {
    // Nothing was ever added.
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

/** Packs the objects that the guest lacks into `meta`. */
async function packNew(
  work: WorkspaceWork,
  { meta, sendsIndex, signal, ...parts }: DeltaParts & Abortable & { meta: string; sendsIndex: boolean },
): Promise<void> {
  const { staged } = work;
  const { kept, sent, plan } = parts;
  const env = objectEnv(work, parts);
  const git: Git = {
    ...staged.git,
    run: (args, call) => staged.git.run(args, { ...call, env }),
  };
  const known = kept
    ? [kept.commit, ...Object.values(kept.refs), ...(kept.head.commit ? [kept.head.commit] : [])]
    : [];
  // A history that was cut ends elsewhere now: what the guest has of it is not all that its commits reach.
  const isSameHistory =
    kept !== undefined &&
    kept.refsDigest === refsDigest(plan.refs) &&
    kept.head.commit === staged.head.commit &&
    kept.cutAt.join() === plan.cutAt.join();
  const isCut = plan.cutAt.length > 0 || (kept?.cutAt.length ?? 0) > 0;
  const excluded =
    isCut && !isSameHistory ? [] : [...(await resolveObjects(git, [...new Set(known)], { signal })).keys()];
  const stagedBlobs = sendsIndex ? await indexOnlyBlobs(work, { signal }) : [];
  const tips = [...(isSameHistory ? [] : plan.tips), sent.commit, ...stagedBlobs];
  const how = staged.isPartial ? ['--missing=allow-any'] : [];
  const { stdout } = await git.run([...PACK_ARGS, ...how, join(meta, 'pack')], {
    signal,
    input: [...tips, ...excluded.map((name) => `^${name}`)].map((line) => `${line}\n`).join(''),
  });
  const name = stdout.toString('latin1').trim();
  if (staged.isPartial && name !== '') await writeFile(join(meta, `pack-${name}.promisor`), '');
}

/** Objects that only the staged index names. */
async function indexOnlyBlobs({ staged }: WorkspaceWork, { signal }: Abortable): Promise<string[]> {
  const [entries, unmerged] = await Promise.all([
    staged.head.commit === undefined
      ? staged.git.run(['ls-files', '--stage', '-z'], { signal })
      : staged.git.run(['diff-index', '--cached', '--raw', '-z', '--no-renames', staged.head.commit], {
          signal,
        }),
    staged.git.run(['ls-files', '--unmerged', '-z'], { signal }),
  ]);
  const blobs = new Set<string>();
  for (const { stdout } of [entries, unmerged]) {
    for (const record of stdout.toString('latin1').split('\0')) {
      // Of a raw diff, the object after; of a listing, the only one.
      const match = /^(?::\d{6} \d{6} [0-9a-f]+ |1\d{5} )([0-9a-f]{40,64}) /.exec(record);
      if (match?.[1] && !/^0+$/.test(match[1])) blobs.add(match[1]);
    }
  }
  return [...blobs];
}
