import type { Abortable } from '../../../../base/abort.ts';
import { AppError } from '../../../../base/errors.ts';
import type { PulledFile } from '../../../../protocol/api/workspace-pull.ts';
import { textOf } from '../../workspace-work.ts';
import type { PlannedStep } from '../merge/planned-step.ts';
import type { PullGit } from '../pull-git.ts';
import { type ShownDiff, shownDiffs } from './shown-diffs.ts';
import { stepDigest } from './step-digest.ts';

/** More are not chosen from one by one. */
const MAX_FILES = 5_000;

/** The changes of each step, for a user to choose from. @throws {AppError} WORKSPACE_PULL_FAILED */
export async function filesToChoose(
  git: PullGit,
  steps: readonly PlannedStep[],
  { signal }: Abortable,
): Promise<PulledFile[]> {
  if (steps.length > MAX_FILES) {
    throw new AppError(
      'WORKSPACE_PULL_FAILED',
      `Cannot show the hunks of ${steps.length} files: at most ${MAX_FILES} can be chosen from`,
      { hint: 'nothing was changed; pull all of them with --apply, or look at them with vm workspace diff' },
    );
  }
  const diffs = await shownDiffs(git, steps, { signal });
  return steps.map((step) => {
    const { path, action, entry, sides } = step;
    const diff = diffs.get(path) ?? { patch: '' };
    return {
      ...{ path: textOf(path), action, digest: stepDigest(step), isWhole: isWhole(step, diff) },
      ...('note' in diff ? { patch: '', note: diff.note } : { patch: textOf(diff.patch) }),
      ...(sides.ours ? { oldMode: sides.ours.mode } : {}),
      ...(entry ? { newMode: entry.mode } : {}),
    };
  });
}

/** Whether only all of a step, or nothing, makes sense. */
export function isWhole({ entry, sides }: PlannedStep, diff: ShownDiff): boolean {
  return 'note' in diff || !sides.ours || !entry || entry.mode === '120000';
}
