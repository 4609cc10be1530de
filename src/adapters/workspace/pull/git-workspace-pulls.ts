import { mkdir, rm } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import { KeyedMutex } from '../../../base/async.ts';
import { AppError, invariant, messageOf } from '../../../base/errors.ts';
import { openStaging } from '../../../base/files/staging.ts';
import type { Logger } from '../../../base/log.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { OpenPull, PullChoice, WorkspacePulls } from '../../../core/ports/workspace-pulls.ts';
import { locateRepository } from '../git/git-repository.ts';
import { readKeptOf } from '../sent/kept-tree.ts';
import { applyPlan, finishPull, undoPull } from './apply/apply-pull.ts';
import type { BeforeStep } from './apply/carry-out.ts';
import { PullJournals } from './apply/pull-journal.ts';
import { pulledObjects, readPulled } from './apply/pulled-before.ts';
import { filesToChoose } from './choose/files-to-choose.ts';
import { narrowPlan } from './choose/narrow-plan.ts';
import { GuestAnswer, type GuestList } from './guest/guest-answer.ts';
import { GuestContents } from './guest/guest-contents.ts';
import { openBranchPull } from './land-branch.ts';
import { type MergePlan, planMerge } from './merge/merge-plan.ts';
import { placesRunByGit } from './merge/run-by-git.ts';
import { unsafePath } from './merge/unsafe-path.ts';
import { pullGit } from './pull-git.ts';

/** What pulls need. */
export interface GitWorkspacePullsOptions {
  /** parent of temporary folders, as of `GitWorkspaceSourceOptions` */
  tempDir: string;
  /** folder of the journals */
  pullsDir: string;
  /** the user's environment */
  env: NodeJS.ProcessEnv;
  log: Logger;
  /** most bytes of changed files that a guest may send; default: 4 GiB */
  maxContentBytes?: number;
  beforeStep?: BeforeStep;
}

const MAX_CONTENT_BYTES = 4 * 1024 ** 3;

const removal = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

/**
 * Merges what guests have changed into working trees of the host, with the host's `git` (2.31 or newer). The
 * guest is not trusted: of its git it gets names and contents of files, never objects, refs or settings.
 */
export function createGitWorkspacePulls(options: GitWorkspacePullsOptions): WorkspacePulls {
  const { log, beforeStep } = options;
  const journals = new PullJournals(options.pullsDir);
  const roots = new KeyedMutex();
  return {
    open: (choice, { signal }) => openPull(choice, { ...options, journals, roots, signal }),
    openBranch: (root, call) => openBranchPull(root, { ...options, ...call }),
    undo: (root, { signal }) =>
      roots.run(
        root,
        async () => {
          await finishPending(root, journals);
          return await undoPull(root, { journals, beforeStep });
        },
        { signal },
      ),
    finishLeft: async ({ signal }) => {
      for (const pull of await journals.allPending()) {
        signal.throwIfAborted();
        try {
          await finishPull(pull, journals);
        } catch (error) {
          log.warn('a pull could not be finished', { root: pull.root, error: messageOf(error) });
        }
      }
    },
  };
}

async function openPull(
  choice: PullChoice,
  options: GitWorkspacePullsOptions & Abortable & { journals: PullJournals; roots: KeyedMutex },
): Promise<OpenPull & AsyncDisposable> {
  const { env, journals, roots, beforeStep, maxContentBytes = MAX_CONTENT_BYTES } = options;
  const { root, sentCommit, keptIn, pulledIn, writesMarkers, umask } = choice;
  const kept = await readKeptOf(keptIn, sentCommit);
  if (!kept || kept.root !== root) throw unknownBase();
  const repository = await locateRepository(root, { env, signal: options.signal });
  const { gitDir } = repository;
  const runByGit = await placesRunByGit(repository.git, root, {
    ...{ gitDir, home: env['HOME'] ?? '/', signal: options.signal },
  });
  await using undo = new ResourceStack();
  const staging = await openStaging(options.tempDir, removal);
  undo.defer('remove the temporary folder', async () => {
    await staging[Symbol.asyncDispose]();
  });
  const git = pullGit(kept, { env, dir: staging.dir, pulledObjects: pulledObjects(pulledIn) });
  await mkdir(git.objectsPath, { mode: 0o700 });
  const contents = new GuestContents(staging.dir);
  undo.defer('close the contents', () => contents[Symbol.dispose]());
  const pulledBefore = await readPulled(pulledIn, sentCommit);
  const wanted = new PassThrough();
  let list: GuestList | undefined;
  let planned: MergePlan | undefined;
  const answer = new GuestAnswer(
    {
      onList(found) {
        if (found.sentCommit !== sentCommit) throw unknownBase();
        list = found;
        const safe = [...found.files].filter(([path, entry]) => entry && unsafePath(path) === undefined);
        const objects = [...new Set(safe.map(([, entry]) => entry?.object ?? ''))];
        wanted.end(objects.map((object) => `${object}\n`).join(''));
        return objects;
      },
      onContent: (object, piece, position) => contents.take(object, piece, position),
    },
    { maxContentBytes },
  );
  const owned = undo.move();
  return {
    wanted,
    take: (chunk) => answer.push(chunk),
    async plan({ signal }) {
      if (!list || !answer.isWhole) throw notWhole();
      await contents.store(git, { signal });
      const input = { root, list, pulledBefore, writesMarkers, runByGit };
      planned = await planMerge(git, input, { signal });
      return planned.shown;
    },
    async files({ signal }) {
      invariant(planned !== undefined, 'a pull is shown without a plan');
      return await filesToChoose(git, planned.steps, { signal });
    },
    async choose(choices, { signal }) {
      invariant(planned !== undefined, 'a pull is reduced without a plan');
      const narrowed = await narrowPlan(git, planned, { root, choices, runByGit, pulledBefore, signal });
      planned = narrowed;
      return { ...narrowed.shown, isAll: narrowed.isAll };
    },
    async apply({ signal }) {
      const plan = planned;
      invariant(plan !== undefined, 'a pull is applied without a plan');
      await roots.run(
        root,
        async () => {
          await finishPending(root, journals);
          const input = { root, gitDir, plan, pulledIn, pulledBefore, umask, journals, beforeStep, signal };
          await applyPlan(git, input);
        },
        { signal },
      );
    },
    async [Symbol.asyncDispose]() {
      wanted.destroy();
      await owned[Symbol.asyncDispose]();
    },
  };
}

async function finishPending(root: string, journals: PullJournals): Promise<void> {
  const pending = await journals.pending(root);
  if (pending) await finishPull(pending, journals);
}

function unknownBase(): AppError {
  return new AppError(
    'WORKSPACE_PULL_BASE_UNKNOWN',
    'Cannot pull: the VM begins at another tree than this host has kept',
    {
      hint: 'the VM is a fork, was restored from a snapshot, or has a branch that began elsewhere: use banger vm workspace export',
    },
  );
}

function notWhole(): AppError {
  return new AppError('WORKSPACE_PULL_FAILED', 'Cannot pull from the guest: its answer is not whole');
}
