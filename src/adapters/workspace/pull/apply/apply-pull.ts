import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../../base/abort.ts';
import { AppError, isAppError, isErrno } from '../../../../base/errors.ts';
import { writeFileAtomic } from '../../../../base/files/atomic-file.ts';
import type { MergePlan } from '../merge/merge-plan.ts';
import type { PullGit } from '../pull-git.ts';
import { type BeforeStep, carryOut, changedSince, takeBack } from './carry-out.ts';
import { contentsDir, type PullJournal, type PullJournals } from './pull-journal.ts';
import { keepObjects, type PulledEntries, pulledText } from './pulled-before.ts';
import { foldersToMake, makeContentsDir, stageContents } from './stage-contents.ts';

/** What a plan is applied with. */
export interface ApplyInput extends Abortable {
  root: string;
  gitDir: string;
  plan: MergePlan;
  pulledIn: string;
  pulledBefore: PulledEntries;
  umask: number;
  journals: PullJournals;
  beforeStep?: BeforeStep | undefined;
}

/**
 * Applies a plan: all of it, or nothing. Killed in the middle, {@link finishPull} ends it. Until the journal
 * begins, nothing of the working tree is changed, and a cancellation is heeded; afterwards not.
 *
 * @throws {AppError} WORKSPACE_PULL_STALE, WORKSPACE_PULL_FAILED
 */
export async function applyPlan(git: PullGit, input: ApplyInput): Promise<void> {
  const { root, gitDir, plan, pulledIn, pulledBefore, umask, journals, signal } = input;
  const id = randomBytes(8).toString('hex');
  const last = await journals.last(root);
  const named = { gitDir, id };
  await makeContentsDir(named, { keep: last ? [last.id] : [] });
  const sentCommit = git.kept.commit;
  let pull: PullJournal;
  try {
    const steps = await stageContents(git, named, { steps: plan.steps, umask, signal });
    await keepObjects(pulledIn, git.objectsPath);
    pull = {
      ...{ version: 1, root, gitDir, id, direction: 'forward', steps },
      folderMode: 0o777 & ~umask,
      newFolders: await foldersToMake(root, steps),
      pulled: {
        dir: pulledIn,
        after: pulledText(sentCommit, plan.pulled),
        before: pulledText(sentCommit, pulledBefore),
      },
    };
    signal.throwIfAborted();
    await journals.begin(pull);
  } catch (error) {
    await rm(contentsDir(named), { recursive: true, force: true });
    throw error;
  }
  await forward(pull, { journals, last, beforeStep: input.beforeStep });
}

/** Carries a pull out, or takes back what was done of it. */
async function forward(
  pull: PullJournal,
  {
    journals,
    last,
    beforeStep,
  }: { journals: PullJournals; last: PullJournal | undefined; beforeStep?: BeforeStep | undefined },
): Promise<void> {
  try {
    await carryOut(pull, beforeStep);
  } catch (error) {
    await back(pull, journals);
    throw failure(error, pull);
  }
  await note(pull, 'after');
  await journals.done(pull);
  await rm(join(contentsDir(pull), 'new'), { recursive: true, force: true });
  if (last && last.id !== pull.id) await rm(contentsDir(last), { recursive: true, force: true });
}

/** Takes back a pull; what was done of it, or all. Returns the paths that were changed since, and stay. */
async function back(
  pull: PullJournal,
  journals: PullJournals,
  beforeStep?: BeforeStep | undefined,
): Promise<string[]> {
  await journals.begin({ ...pull, direction: 'back' });
  const left = await takeBack(pull, beforeStep);
  await note(pull, 'before');
  await journals.undone(pull);
  // What could not be put back stays where the user can find it.
  if (left.length === 0) await rm(contentsDir(pull), { recursive: true, force: true });
  return left;
}

/**
 * Takes back the last pull into a working tree. Returns the paths of its files.
 *
 * @throws {AppError} WORKSPACE_PULL_NONE, WORKSPACE_PULL_STALE
 */
export async function undoPull(
  root: string,
  { journals, beforeStep }: { journals: PullJournals; beforeStep?: BeforeStep | undefined },
): Promise<string[]> {
  const last = await journals.last(root);
  if (!last) {
    throw new AppError('WORKSPACE_PULL_NONE', `Cannot undo a pull into "${root}": there is none to undo`, {
      hint: 'only the last pull into a working tree can be undone, and only once',
    });
  }
  const changed = await changedSince(last);
  if (changed.length > 0) {
    throw new AppError(
      'WORKSPACE_PULL_STALE',
      `Cannot undo the pull into "${root}": files that it wrote were changed since`,
      {
        hint: 'put your changes of these files aside, for example with git stash, and repeat the command',
        details: { paths: changed },
      },
    );
  }
  await back(last, journals, beforeStep);
  return last.steps.map(({ path }) => Buffer.from(path, 'latin1').toString('utf8'));
}

/** Ends a pull that was killed in the middle: carries it out or, when that is impossible, takes it back. */
export async function finishPull(pull: PullJournal, journals: PullJournals): Promise<void> {
  const last = await journals.last(pull.root);
  if (pull.direction === 'back') {
    await back(pull, journals);
    return;
  }
  await forward(pull, { journals, last });
}

/** Notes what the host has of the guest, for the next pull from it; not when its VM is gone. */
async function note(pull: PullJournal, when: 'after' | 'before'): Promise<void> {
  const { dir } = pull.pulled;
  try {
    await mkdir(dir, { mode: 0o700 }).catch((error: unknown) => {
      if (!isErrno(error, 'EEXIST')) throw error;
    });
    await writeFileAtomic(join(dir, 'pulled.json'), pull.pulled[when]);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}

function failure(error: unknown, { root }: PullJournal): unknown {
  if (isAppError(error)) return error;
  if (
    !isErrno(
      error,
      'EACCES',
      'EPERM',
      'EXDEV',
      'EROFS',
      'ENOSPC',
      'EDQUOT',
      'EBUSY',
      'ENAMETOOLONG',
      'EISDIR',
    )
  ) {
    return error;
  }
  const why = isErrno(error, 'EXDEV')
    ? 'a folder is on another file system than its git folder'
    : 'a file cannot be written';
  return new AppError('WORKSPACE_PULL_FAILED', `Cannot pull into "${root}": ${why}; nothing was changed`, {
    cause: error,
  });
}
