import type { Abortable } from '../../../../base/abort.ts';
import { AppError } from '../../../../base/errors.ts';
import { changesOf, parseHunks, withChanges } from '../../../../base/text/diff-hunks.ts';
import type { PullFileChoice, PullProblem } from '../../../../protocol/api/workspace-pull.ts';
import type { TreeEntry } from '../../sent/tree-changes.ts';
import { textOf } from '../../workspace-work.ts';
import { HostSide } from '../merge/host-side.ts';
import { mergeBlobs } from '../merge/merge-content.ts';
import { digestOf, type MergePlan, settlePlaces } from '../merge/merge-plan.ts';
import type { PlannedStep } from '../merge/planned-step.ts';
import { refusedPaths } from '../merge/refused-paths.ts';
import { type PullGit, readBlob, storeBlob } from '../pull-git.ts';
import { isWhole } from './files-to-choose.ts';
import { type ShownDiff, shownDiffs } from './shown-diffs.ts';
import { stepDigest } from './step-digest.ts';

/** What a plan is reduced with. */
export interface NarrowInput {
  root: string;
  choices: readonly PullFileChoice[];
  /** places from which the user's git runs programs */
  runByGit: readonly string[];
  pulledBefore: MergePlan['pulled'];
}

/**
 * Reduces a plan to what was chosen of it. `isAll`: nothing was left out. What is left out is left to the
 * next pull: for a file of which only a part is pulled, that one begins at what the guest has without the
 * rest.
 *
 * @throws {AppError} WORKSPACE_PULL_STALE, REQUEST_INVALID
 */
export async function narrowPlan(
  git: PullGit,
  plan: MergePlan,
  { root, choices, runByGit, pulledBefore, signal }: NarrowInput & Abortable,
): Promise<MergePlan & { isAll: boolean }> {
  const byDigest = new Map(choices.map((choice) => [choice.digest, choice]));
  const all = plan.steps.map((step) => ({ step, choice: byDigest.get(stepDigest(step)) }));
  const known = new Set(all.map(({ choice }) => choice?.digest));
  const stale = choices.filter(({ digest }) => !known.has(digest)).map(({ path }) => path);
  if (stale.length > 0) throw otherChanges(root, stale);
  const parts = all.flatMap(({ step, choice }) => (choice && isPart(choice) ? [step] : []));
  const diffs = await shownDiffs(git, parts, { signal });
  const pulled: MergePlan['pulled'] = new Map(plan.pulled);
  const chosen: PlannedStep[] = [];
  let isAll = plan.shown.conflicts.length === 0;
  for (const { step, choice } of all) {
    signal.throwIfAborted();
    const part = choice && (await chosenPart(git, step, { choice, diff: diffs.get(step.path), signal }));
    if (part) chosen.push(part.step);
    if (part?.isAll) continue;
    isAll = false;
    const rest = part && (await guestWithoutRest(git, step, { chosen: part.step, signal }));
    if (rest) pulled.set(step.path, rest);
    else if (pulledBefore.has(step.path)) pulled.set(step.path, pulledBefore.get(step.path));
    else pulled.delete(step.path);
  }
  const host = new HostSide(root);
  const { steps, inTheWay } = await settlePlaces(chosen, host);
  const refused = await refusedPaths(steps, { git, host, runByGit, signal });
  const chosenPaths = new Set(chosen.map(({ path }) => textOf(path)));
  const conflicts: PullProblem[] = [
    ...plan.shown.conflicts.filter(({ path, isMarked }) => isMarked && chosenPaths.has(path)),
    ...inTheWay.map(({ path, reason }) => ({ path: textOf(path), reason })),
  ];
  const shown = {
    paths: steps.map(({ path, action }) => ({ path: textOf(path), action })),
    ...{ conflicts, refused, skipped: plan.shown.skipped },
    digest: digestOf([git.kept.commit, steps, conflicts, refused]),
  };
  return { shown, steps, pulled, isAll };
}

function isPart({ changes, keepsMode }: PullFileChoice): boolean {
  return changes !== undefined || keepsMode === true;
}

/** The step with what was chosen of it; `undefined` when that is nothing. */
async function chosenPart(
  git: PullGit,
  step: PlannedStep,
  { choice, diff, signal }: Abortable & { choice: PullFileChoice; diff: ShownDiff | undefined },
): Promise<{ step: PlannedStep; isAll: boolean } | undefined> {
  const { path, entry, sides } = step;
  if (!isPart(choice)) return { step, isAll: true };
  if (!diff || 'note' in diff || !entry || !sides.ours || isWhole(step, diff)) throw noSuchChange(path);
  const changes = parseHunks(diff.patch).flatMap(changesOf);
  const wanted = new Set(choice.changes ?? changes.keys());
  if ([...wanted].some((number) => changes[number] === undefined)) throw noSuchChange(path);
  const mode = choice.keepsMode ? sides.ours.mode : entry.mode;
  const isAll = wanted.size === changes.length && mode === entry.mode;
  if (isAll) return { step, isAll };
  if (wanted.size === 0 && mode === sides.ours.mode) return undefined;
  const old = (await readBlob(git, sides.ours.object, { signal })).toString('latin1');
  const content = withChanges(
    old,
    changes.filter((_, number) => wanted.has(number)),
  );
  const object = await storeBlob(git, Buffer.from(content, 'latin1'), { signal });
  return { step: { ...step, entry: { mode, object } }, isAll };
}

/**
 * What the guest has of a file without the changes that were not chosen; `undefined` when they cannot be told
 * from changes of the host beside them.
 */
async function guestWithoutRest(
  git: PullGit,
  { entry, sides: { base, theirs } }: PlannedStep,
  { chosen, signal }: Abortable & { chosen: PlannedStep },
): Promise<TreeEntry | undefined> {
  if (!entry || !theirs || !chosen.entry) return undefined;
  const mode = chosen.entry.mode === entry.mode ? theirs.mode : (base ?? theirs).mode;
  if (theirs.object === entry.object) return { mode, object: chosen.entry.object };
  const sides = { base: entry.object, ours: chosen.entry.object, theirs: theirs.object };
  const merged = await mergeBlobs(git, sides, { signal });
  return 'object' in merged && merged.isClean ? { mode, object: merged.object } : undefined;
}

function otherChanges(root: string, paths: readonly string[]): AppError {
  return new AppError(
    'WORKSPACE_PULL_STALE',
    `Cannot pull into "${root}": chosen files were changed meanwhile, here or in the VM`,
    { hint: 'nothing was changed; pull again', details: { paths } },
  );
}

function noSuchChange(path: string): AppError {
  return new AppError('REQUEST_INVALID', `Cannot pull a part of "${textOf(path)}": it has no such part`, {
    details: { path: textOf(path) },
  });
}
