import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { bytePath } from '../byte-path.ts';
import { SHALLOW, shallowFile } from '../config-files.ts';
import { allEnded } from '../task-group.ts';
import type { Git } from './git-command.ts';
import { chooseBaseRefs, formatRefs, listMergedRefs, listRefs, type Ref } from './git-refs.ts';
import type { HostRepository } from './git-repository.ts';
import { cutHistory } from './shallow-history.ts';
import type { StagedRepository } from './staged-repository.ts';

/** Depth at which a history is cut when all of it would be too much. */
export const CUT_DEPTH = 50;

/** Counting a history's objects for longer than this is not worth it; it then counts as too large. */
const MEASURE_DEADLINE_MS = 10_000;

/**
 * A store this many times the limit is not counted: HEAD's history is rarely such a small part of it, and
 * counting takes minutes.
 */
const SURELY_TOO_LARGE = 4;

/** Arguments that pack objects quickly rather than tightly. */
const PACK_ARGS = [
  ...['-c', 'pack.writereverseindex=false', 'pack-objects', '-q'],
  ...['--non-empty', '--delta-base-offset', '--window=0', '--compression=1'],
] as const;

/**
 * Packs the objects that `revisions` reach, with those of the index if `withIndex`, as files whose names
 * begin with `base`. Returns the name of the pack; empty when there was nothing to pack.
 *
 * @throws {AppError} WORKSPACE_GIT_FAILED, for example when an object is missing that is not a partial
 * clone's
 */
export async function packReachable(
  staged: StagedRepository,
  options: Abortable & {
    revisions: readonly string[];
    withIndex: boolean;
    base: string;
    env?: NodeJS.ProcessEnv | undefined;
  },
): Promise<string> {
  const { revisions, withIndex, base, env, signal } = options;
  const call = { signal, ...(env ? { env } : {}) };
  const indexed = withIndex ? ['--indexed-objects'] : [];
  const bitmap = withIndex ? ['--use-bitmap-index'] : [];
  let input: string | Buffer = revisions.map((line) => `${line}\n`).join('');
  let how = ['--revs', ...indexed, ...bitmap];
  if (staged.isPartial) {
    // git-pack-objects(1) fails when a folder is missing; git-rev-list(1) does not.
    const args = ['rev-list', '--objects', '--no-object-names', '--missing=allow-any', ...indexed, '--stdin'];
    input = (await staged.git.run(args, { ...call, input })).stdout;
    how = ['--missing=allow-any'];
  }
  return (await staged.git.run([...PACK_ARGS, ...how, base], { ...call, input })).stdout
    .toString('latin1')
    .trim();
}

/** Which part of the host's history a guest gets. */
export interface HistoryPlan {
  refs: readonly Ref[];
  /** names of the refs that the guest gets */
  carried: ReadonlySet<string>;
  /** object names to pack with everything they reach */
  tips: readonly string[];
  /** commits that lose their parents; empty when nothing is cut */
  cutAt: readonly string[];
}

/**
 * Plans the history: all of HEAD's history with every branch and tag in it, and that of the branches it is
 * compared with; if that exceeds `maxHistoryBytes`, the newest {@link CUT_DEPTH} commits of each. `mentioned`
 * are objects that an unfinished operation needs.
 */
export async function planHistory(
  repository: HostRepository,
  staged: StagedRepository,
  options: Abortable & { mentioned: readonly string[]; maxHistoryBytes: number },
): Promise<HistoryPlan> {
  const { mentioned, maxHistoryBytes, signal } = options;
  const { commit } = staged.head;
  if (commit === undefined) return { refs: [], carried: new Set(), tips: [], cutAt: [] };
  const [refs, merged, storedBytes] = await allEnded([
    listRefs(repository.git, { signal }),
    listMergedRefs(repository.git, commit, { signal }),
    countStoredBytes(repository.git, { signal }),
  ]);
  const mergedNames = new Set(merged.map((ref) => ref.name));
  const base = chooseBaseRefs(refs, staged.head).filter((ref) => !mergedNames.has(ref.name));
  const found = await resolveObjects(staged.git, [...base.map((ref) => ref.object), ...mentioned], {
    signal,
  });
  const tips = [commit, ...found.keys()];
  // Also the refs that an unfinished rebase will move.
  const carriedBase = refs.filter((ref) => !ref.target && found.has(ref.object)).map((ref) => ref.name);
  const isWhole = !(await isTooLarge(staged, { tips, storedBytes, maxHistoryBytes, signal }));
  const commits = [commit, ...[...found].filter(([, type]) => type === 'commit').map(([name]) => name)];
  const cut = isWhole ? undefined : await cutHistory(staged.git, { tips: commits, depth: CUT_DEPTH, signal });
  const kept = merged.filter((ref) => !cut || cut.commits.has(ref.commit)).map((ref) => ref.name);
  const carried = new Set([...carriedBase, ...kept]);
  const refTips = refs.filter((ref) => carried.has(ref.name)).map((ref) => ref.object);
  return { refs, carried, tips: [...new Set([...tips, ...refTips])], cutAt: cut?.boundary ?? [] };
}

/**
 * Packs the objects of `plan`, those in the staged index, and `sent` with what it reaches, into one pack with
 * its index under the staged repository. Reuses the deltas in the host's packs and searches for no new ones;
 * compresses loose objects lightly, because the user is waiting.
 *
 * @throws {AppError} WORKSPACE_GIT_FAILED, for example when an object is missing
 */
export async function packHistory(
  staged: StagedRepository,
  options: Abortable & {
    plan: HistoryPlan;
    /** a commit, and git's environment for finding it */
    sent: { commit: string; env: NodeJS.ProcessEnv } | undefined;
  },
): Promise<void> {
  const { plan, sent, signal } = options;
  const folder = join(staged.gitDir, 'objects/pack');
  const revisions = [...plan.tips, ...(sent ? [sent.commit] : [])];
  await packReachable(staged, {
    ...{ revisions, withIndex: true, base: join(folder, 'pack'), env: sent?.env, signal },
  });
  if (!staged.isPartial) return;
  for (const name of await readdir(folder)) {
    // Missing objects that this pack refers to then count as promised by the remote, not as lost
    // (partial-clone in git's documentation).
    if (name.endsWith('.pack')) await writeFile(join(folder, name.replace(/pack$/, 'promisor')), '');
  }
}

/** Writes the refs, and the commits at which history ends, into the staged repository. */
export async function stageHistory(staged: StagedRepository, plan: HistoryPlan): Promise<void> {
  for (const [name, content] of formatRefs(plan.refs, plan.carried)) {
    const path = bytePath(staged.gitDir, name);
    await mkdir(path.subarray(0, path.lastIndexOf('/')), { recursive: true });
    await writeFile(path, content, 'latin1');
  }
  const shallow = shallowFile(staged.shallow, plan.cutAt);
  if (shallow) await writeFile(join(staged.gitDir, SHALLOW), shallow);
}

/** The types of those of `names` that are objects of the repository, by full name. */
export async function resolveObjects(
  git: Git,
  names: readonly string[],
  { signal }: Abortable,
): Promise<Map<string, string>> {
  if (names.length === 0) return new Map();
  const { stdout } = await git.run(['cat-file', '--batch-check=%(objectname) %(objecttype)'], {
    signal,
    input: names.map((name) => `${name}\n`).join(''),
  });
  const found = new Map<string, string>();
  for (const line of stdout.toString('latin1').split('\n')) {
    const match = /^([0-9a-f]{40,64}) (commit|tree|blob|tag)$/.exec(line);
    if (match?.[1] && match[2]) found.set(match[1], match[2]);
  }
  return found;
}

async function isTooLarge(
  staged: StagedRepository,
  options: Abortable & {
    tips: readonly string[];
    storedBytes: number | undefined;
    maxHistoryBytes: number;
  },
): Promise<boolean> {
  const { tips, storedBytes, maxHistoryBytes, signal } = options;
  if (storedBytes !== undefined && storedBytes <= maxHistoryBytes) return false;
  if (storedBytes !== undefined && storedBytes > SURELY_TOO_LARGE * maxHistoryBytes) return true;
  const bytes = await measureHistory(staged, { tips, signal });
  return bytes === undefined || bytes > maxHistoryBytes;
}

/** Size of the object store; `undefined` when part of it is elsewhere. */
async function countStoredBytes(git: Git, { signal }: Abortable): Promise<number | undefined> {
  const report = (await git.run(['count-objects', '-v'], { signal })).stdout.toString('utf8');
  if (/^alternate: /m.test(report)) return undefined;
  // git prints KiB.
  const sizes = [...report.matchAll(/^(?:size|size-pack): (\d+)$/gm)].map((match) => Number(match[1]));
  return sizes.reduce((sum, size) => sum + size, 0) * 1024;
}

/** Size on disk of `tips` and everything they reach; `undefined` when counting takes too long. */
async function measureHistory(
  staged: StagedRepository,
  { tips, signal }: Abortable & { tips: readonly string[] },
): Promise<number | undefined> {
  const how = staged.isPartial ? '--missing=allow-any' : '--use-bitmap-index';
  const args = ['rev-list', '--objects', '--disk-usage', how, '--stdin'];
  const input = tips.map((tip) => `${tip}\n`).join('');
  const wait = { signal, deadlineMs: MEASURE_DEADLINE_MS, what: 'git to count the history' };
  try {
    const { stdout } = await withDeadline((inner) => staged.git.run(args, { signal: inner, input }), wait);
    return Number(stdout.toString('latin1'));
  } catch (error) {
    if (isAppError(error, 'WAIT_TIMEOUT')) return undefined;
    throw error;
  }
}
