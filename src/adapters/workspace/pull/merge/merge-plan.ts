import { createHash } from 'node:crypto';
import type { Abortable } from '../../../../base/abort.ts';
import type { PullPlan } from '../../../../core/ports/workspace-pulls.ts';
import type { PullProblem } from '../../../../protocol/api/workspace-pull.ts';
import type { TreeEntry } from '../../sent/tree-changes.ts';
import { textOf } from '../../workspace-work.ts';
import type { PulledEntries } from '../apply/pulled-before.ts';
import type { GuestList } from '../guest/guest-answer.ts';
import { filteredUnchanged, type PullGit, readSentTree, storeHostFiles } from '../pull-git.ts';
import { type HostPlace, HostSide } from './host-side.ts';
import { type BothChanged, mergeContents } from './merge-content.ts';
import { isSame, mergeStep } from './merge-rule.ts';
import type { PlannedStep } from './planned-step.ts';
import { refusedPaths } from './refused-paths.ts';
import { unsafePath } from './unsafe-path.ts';

/** A plan with what carrying it out needs. */
export interface MergePlan {
  shown: PullPlan;
  steps: PlannedStep[];
  /** what the guest has at the paths that the host has afterwards, for the next pull */
  pulled: PulledEntries;
}

/** What is merged. */
export interface MergeInput {
  root: string;
  list: GuestList;
  pulledBefore: PulledEntries;
  writesMarkers: boolean;
  /** places from which the user's git runs programs */
  runByGit: readonly string[];
}

/**
 * Merges what the guest has changed with the working tree, path by path. Writes only to the folder of `git`.
 */
export async function planMerge(
  git: PullGit,
  { root, list, pulledBefore, writesMarkers, runByGit }: MergeInput,
  { signal }: Abortable,
): Promise<MergePlan> {
  const sent = await readSentTree(git, { signal });
  const paths = [...new Set([...list.files.keys(), ...pulledBefore.keys()])].sort();
  const theirs = (path: string): TreeEntry | undefined =>
    list.files.has(path) ? list.files.get(path) : sent.get(path);
  const base = (path: string): TreeEntry | undefined =>
    pulledBefore.has(path) ? pulledBefore.get(path) : sent.get(path);
  const differing = paths.filter((path) => !isSame(base(path), theirs(path)));
  const unsafe: PullProblem[] = [];
  const changed = differing.filter((path) => {
    const reason = unsafePath(path);
    if (reason !== undefined) unsafe.push({ path: textOf(path), reason });
    return reason === undefined;
  });
  const host = new HostSide(root);
  const places = new Map<string, HostPlace>();
  for (const path of changed) {
    signal.throwIfAborted();
    places.set(path, await host.look(path));
  }
  const isStored = (path: string): boolean => /^(file|link)$/.test(places.get(path)?.kind ?? '');
  const ours = await storeHostFiles(git, changed.filter(isStored), { signal });
  const differs = [...ours.keys()].filter(
    (path) => sent.has(path) && !isSame(ours.get(path), sent.get(path)),
  );
  for (const path of await filteredUnchanged(git, differs, { signal })) {
    const entry = sent.get(path);
    if (entry) ours.set(path, entry);
  }
  const steps: PlannedStep[] = [];
  const both: (BothChanged & { mode: string; found: Pick<PlannedStep, 'before' | 'sides'> })[] = [];
  const conflicts: PullProblem[] = [];
  const unresolved = new Set<string>();
  const conflict = (path: string, reason: string): void => {
    unresolved.add(path);
    conflicts.push({ path: textOf(path), reason });
  };
  for (const path of changed) {
    const place = places.get(path) ?? { kind: 'nothing' };
    const before = 'stamp' in place ? place.stamp : undefined;
    const sides = { base: base(path), ours: ours.get(path), theirs: theirs(path) };
    const found = { ...(before ? { before } : {}), sides };
    const step = mergeStep(sides);
    switch (step.do) {
      case 'write':
        steps.push({ path, action: ours.has(path) ? 'modify' : 'add', entry: step.entry, ...found });
        break;
      case 'delete':
        steps.push({ path, action: 'delete', ...found });
        break;
      case 'merge':
        both.push({ path, ...step, found });
        break;
      case 'conflict':
        conflict(path, step.reason);
        break;
      case 'nothing':
        break;
    }
  }
  const merged = await mergeContents(git, both, { signal });
  for (const { path, mode, found } of both) {
    const result = merged.get(path) ?? { reason: 'changed here and in the VM' };
    if ('reason' in result) {
      conflict(path, result.reason);
      continue;
    }
    if (!result.isClean) {
      const reason = 'the same lines were changed here and in the VM';
      conflicts.push({ path: textOf(path), reason, ...(writesMarkers ? { isMarked: true } : {}) });
      if (!writesMarkers) unresolved.add(path);
    }
    if (result.isClean || writesMarkers) {
      const entry = { mode, object: result.object };
      steps.push({ path, action: 'merge', entry, ...found });
    }
  }
  const settled = await settlePlaces(steps, host);
  steps.splice(0, steps.length, ...settled.steps);
  for (const { path, reason } of settled.inTheWay) conflict(path, reason);
  steps.sort((a, b) => (a.path < b.path ? -1 : 1));
  const refused = [...unsafe, ...(await refusedPaths(steps, { git, host, runByGit, signal }))];
  const pulled: PulledEntries = new Map(pulledBefore);
  for (const path of changed) if (!unresolved.has(path)) pulled.set(path, theirs(path));
  const skipped = list.gitlinks.map((path) => ({
    path: textOf(path),
    reason: 'commits of a submodule are not pulled',
  }));
  conflicts.sort((a, b) => (a.path < b.path ? -1 : 1));
  const shown = {
    paths: steps.map(({ path, action }) => ({ path: textOf(path), action })),
    ...{ conflicts, refused, skipped },
    digest: digestOf([git.kept.commit, steps, conflicts, refused]),
  };
  return { shown, steps, pulled };
}

/**
 * Separates steps that something else on the host is in the way of: a file in place of a folder, or a folder
 * with files that none of the steps deletes.
 */
export async function settlePlaces(
  steps: readonly PlannedStep[],
  host: HostSide,
): Promise<{ steps: PlannedStep[]; inTheWay: { path: string; reason: string }[] }> {
  const gone = new Set(steps.filter(({ action }) => action === 'delete').map(({ path }) => path));
  const settled = { steps: [] as PlannedStep[], inTheWay: [] as { path: string; reason: string }[] };
  for (const step of steps) {
    const reason = await inTheWay(await host.look(step.path), { step, host, gone });
    if (reason === undefined) settled.steps.push(step);
    else settled.inTheWay.push({ path: step.path, reason });
  }
  return settled;
}

async function inTheWay(
  place: HostPlace,
  { step, host, gone }: { step: PlannedStep; host: HostSide; gone: ReadonlySet<string> },
): Promise<string | undefined> {
  switch (place.kind) {
    case 'below a file':
      return gone.has(place.file) ? undefined : `"${textOf(place.file)}" is a file here`;
    case 'below a link':
      // A link that the guest replaced by a folder is deleted first.
      return gone.has(place.link) ? undefined : `"${textOf(place.link)}" is a link here`;
    case 'folder': {
      const file = await host.anyFileIn(step.path, (path) => gone.has(path));
      return file === undefined ? undefined : `it is a folder here, with "${textOf(file)}" in it`;
    }
    case 'other':
      return 'it is neither a file nor a link here';
    default:
      return undefined;
  }
}

/** A digest of what a plan changes. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
