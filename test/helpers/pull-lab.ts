import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  createGitWorkspacePulls,
  type GitWorkspacePullsOptions,
} from '../../src/adapters/workspace/pull/git-workspace-pulls.ts';
import { neverAborts } from '../../src/base/abort.ts';
import type { OpenPull, PullChoice, PullPlan, WorkspacePulls } from '../../src/core/ports/workspace-pulls.ts';
import { commitsCommand, pullCommand } from '../../src/core/vms/workspace/pull/pull-command.ts';
import type { PulledFile, PullFileChoice } from '../../src/protocol/api/workspace-pull.ts';
import { nullLog } from '../support/null-log.ts';
import { put, type Scratch, unpack } from './scratch-repository.ts';

const signal = neverAborts();

/** A working tree that was sent to a folder of this host, and pulls from there without a daemon. */
export interface PullLab {
  root: string;
  guest: string;
  pulls: WorkspacePulls;
  /** what another process needs to pull as this one does; it can be sent as JSON */
  job: PullJob;
  /** pulls of another daemon over the same folders */
  next(more?: Partial<GitWorkspacePullsOptions>): WorkspacePulls;
  open(pulls?: WorkspacePulls, writesMarkers?: boolean): Promise<OpenPull & AsyncDisposable>;
  /** Reads the guest, plans, and applies when nothing is in the way. */
  pull(pulls?: WorkspacePulls): Promise<PullPlan>;
  /** Reads the guest, plans, and applies what is chosen of the changes, when nothing is in the way. */
  pullSome(
    choose: (files: readonly PulledFile[]) => readonly PullFileChoice[],
    writesMarkers?: boolean,
  ): Promise<PullPlan & { isAll: boolean }>;
}

/** A pull from a folder of this host, for any process. */
export interface PullJob {
  options: Omit<GitWorkspacePullsOptions, 'log'>;
  choice: PullChoice;
  guest: string;
}

/** Sends `root` to a guest of that name. */
export async function openPullLab(scratch: Scratch, root: string, name = 'guest'): Promise<PullLab> {
  const guest = join(scratch.dir, name);
  const keptIn = join(scratch.dir, `${name}-kept`);
  mkdirSync(guest);
  await using packed = await scratch.source.pack(root, { includeUntracked: true, signal });
  const noted = packed.keep(keptIn);
  await unpack(packed.tar, guest);
  await packed.done;
  const sentCommit = (await noted) ?? assert.fail('git could not store the tree');
  const options = { tempDir: scratch.tempDir, pullsDir: join(scratch.dir, 'pulls'), env: scratch.env };
  const choice = {
    ...{ root, sentCommit, keptIn, pulledIn: join(scratch.dir, `${name}-pulled`) },
    ...{ writesMarkers: false, umask: 0o022 },
  };
  const job = { options, choice, guest };
  const next: PullLab['next'] = (more = {}) => createGitWorkspacePulls({ ...options, log: nullLog, ...more });
  const pulls = next();
  const open: PullLab['open'] = (from = pulls, writesMarkers = false) =>
    from.open({ ...choice, writesMarkers }, { signal });
  return {
    ...{ root, guest, pulls, job, next, open },
    async pull(from = pulls) {
      await using pull = await open(from);
      await readInto(scratch, pull, pullCommand(guest));
      const plan = await pull.plan({ signal });
      const isClean = plan.conflicts.length === 0 && plan.refused.length === 0;
      if (isClean && plan.paths.length > 0) await pull.apply({ signal });
      return plan;
    },
    async pullSome(choose, writesMarkers) {
      await using pull = await open(pulls, writesMarkers);
      await readInto(scratch, pull, pullCommand(guest));
      await pull.plan({ signal });
      const plan = await pull.choose(choose(await pull.files({ signal })), { signal });
      const isClean = writesMarkers || plan.conflicts.length === 0;
      if (isClean && plan.refused.length === 0 && plan.paths.length > 0) await pull.apply({ signal });
      return plan;
    },
  };
}

/** Runs a command of the guest on this host, and passes its output to a pull. */
export async function readInto(
  { env }: { env: NodeJS.ProcessEnv },
  pull: { take(chunk: Buffer): void; wanted?: OpenPull['wanted'] },
  [program, ...args]: readonly [string, ...string[]],
): Promise<void> {
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  child.stdin.on('error', () => {});
  if (pull.wanted) pull.wanted.pipe(child.stdin);
  else child.stdin.end();
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) pull.take(chunk);
  assert.deepEqual(await ended, [0, null]);
}

/** Pulls the commits of a guest into a branch. */
export async function pullCommits(
  scratch: Scratch,
  { root, guest, pulls }: PullLab,
  name: string,
): Promise<{ commit: string; commitCount: number; isComplete: boolean }> {
  await using pull = await pulls.openBranch(root, { name, signal });
  await readInto(scratch, pull, commitsCommand(guest));
  return await pull.land({ signal });
}

/** A repository with one commit of these files. */
export function committed(scratch: Scratch, name: string, files: Record<string, string>): string {
  const root = scratch.init(name);
  for (const [path, content] of Object.entries(files)) put(root, path, content);
  scratch.git(root, 'add', '-A');
  scratch.git(root, 'commit', '-q', '--allow-empty', '-m', 'first');
  return root;
}

/** A guest that has edited, added and deleted files, and made a folder of a file and the reverse. */
export async function changedGuest(scratch: Scratch): Promise<PullLab> {
  const files = { edited: 'one\n', gone: 'one\n', 'a/b/deep': 'one\n', file: 'one\n', 'folder/x': 'one\n' };
  const lab = await openPullLab(scratch, committed(scratch, 'repo', files));
  const { guest } = lab;
  put(guest, 'edited', 'two\n');
  put(guest, 'new/x', 'new\n');
  rmSync(join(guest, 'gone'));
  rmSync(join(guest, 'a'), { recursive: true });
  rmSync(join(guest, 'file'));
  put(guest, 'file/inside', 'new\n');
  rmSync(join(guest, 'folder'), { recursive: true });
  put(guest, 'folder', 'new\n');
  return lab;
}
