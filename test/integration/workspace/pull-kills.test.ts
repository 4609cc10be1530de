import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { changedGuest, type PullLab } from '../../helpers/pull-lab.ts';
import { makeScratch, put } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';

const signal = neverAborts();

/** Number of places at which {@link stopAt} can stop: before each of the steps, and after the last. */
const STEPS = 9;

/** Pulls that stop for ever before a step, as when their daemon is killed there. */
function stopAt(lab: PullLab, step: number): { pulls: PullLab['pulls']; stopped: Promise<void> } {
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  const pulls = lab.next({
    beforeStep: (at) => {
      if (at !== step) return Promise.resolve();
      resolve();
      return new Promise(() => {});
    },
  });
  return { pulls, stopped };
}

/** Folders with contents of pulls. */
function contents(lab: PullLab): string[] {
  const dir = join(lab.root, '.git/banger');
  return existsSync(dir) ? readdirSync(dir) : [];
}

test('a pull that is killed before any step is finished by the next daemon', async () => {
  for (let step = 0; step < STEPS; step += 1) {
    using scratch = makeScratch();
    const lab = await changedGuest(scratch);
    const before = treeOf(lab.root);
    const { pulls, stopped } = stopAt(lab, step);
    void lab.pull(pulls);
    await stopped;
    const next = lab.next();
    await next.finishLeft({ signal });
    assert.deepEqual(treeOf(lab.root), treeOf(lab.guest), `killed before step ${step}`);
    assert.deepEqual((await lab.pull(next)).paths, []);
    await next.undo(lab.root, { signal });
    assert.deepEqual(treeOf(lab.root), before);
    assert.deepEqual(contents(lab), []);
  }
});

test('an undo that is killed before any step is finished by the next daemon', async () => {
  for (let step = 0; step < STEPS - 1; step += 1) {
    using scratch = makeScratch();
    const lab = await changedGuest(scratch);
    const before = treeOf(lab.root);
    await lab.pull();
    const { pulls, stopped } = stopAt(lab, step);
    void pulls.undo(lab.root, { signal });
    await stopped;
    const next = lab.next();
    await next.finishLeft({ signal });
    assert.deepEqual(treeOf(lab.root), before, `killed before step ${step}`);
    await assert.rejects(next.undo(lab.root, { signal }), { code: 'WORKSPACE_PULL_NONE' });
    assert.deepEqual(contents(lab), []);
  }
});

test('a file that is changed while a pull is carried out takes all of it back, and keeps that change', async () => {
  for (let step = 0; step < STEPS - 1; step += 1) {
    using scratch = makeScratch();
    const lab = await changedGuest(scratch);
    const before = treeOf(lab.root);
    const pulls = lab.next({
      beforeStep: async (at) => {
        if (at === step) put(lab.root, 'edited', 'of the user, meanwhile\n');
      },
    });
    let code: unknown;
    await lab.pull(pulls).catch((error: { code?: string }) => {
      code = error.code;
    });
    const now = treeOf(lab.root);
    if (code === undefined) {
      // The edit came after the file was replaced: it is an edit of the pulled file.
      assert.deepEqual(now.get('edited'), before.get('edited')?.replace('one\n', 'of the user, meanwhile\n'));
      continue;
    }
    assert.equal(code, 'WORKSPACE_PULL_STALE');
    assert.deepEqual(now.get('edited'), before.get('edited')?.replace('one\n', 'of the user, meanwhile\n'));
    now.delete('edited');
    before.delete('edited');
    assert.deepEqual(now, before);
  }
});

test('a killed pull whose files the user then changed is taken back, and the change stays', async () => {
  using scratch = makeScratch();
  const lab = await changedGuest(scratch);
  const before = treeOf(lab.root);
  const { pulls, stopped } = stopAt(lab, 3);
  void lab.pull(pulls);
  await stopped;
  put(lab.root, 'edited', 'of the user\n');
  await lab.next().finishLeft({ signal });
  const now = treeOf(lab.root);
  assert.match(now.get('edited') ?? '', /of the user/);
  now.delete('edited');
  before.delete('edited');
  assert.deepEqual(now, before);
});
