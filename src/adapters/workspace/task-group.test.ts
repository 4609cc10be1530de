import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sleep } from '../../base/abort.ts';
import { allEnded, TaskGroup } from './task-group.ts';

test('the first failure stops the other tasks, which fail with it', async () => {
  const { signal } = new AbortController();
  await using group = new TaskGroup({ signal });
  const failure = new Error('first');
  const long = group.start((task) => sleep(60_000, task));
  const failing = group.start(async () => {
    await delay(5);
    throw failure;
  });
  await assert.rejects(long, failure);
  await assert.rejects(failing, failure);
});

test('disposing aborts running tasks, waits for their cleanup, and leaves no listener', async () => {
  const { signal } = new AbortController();
  const group = new TaskGroup({ signal });
  let hasCleanedUp = false;
  const running = group.start(async (task) => {
    try {
      await sleep(60_000, task);
    } finally {
      await delay(20);
      hasCleanedUp = true;
    }
  });
  await group[Symbol.asyncDispose]();
  assert.equal(hasCleanedUp, true);
  await assert.rejects(running, { name: 'AbortError' });
  await group[Symbol.asyncDispose]();
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('the outer signal aborts the tasks with its reason', async () => {
  const outer = new AbortController();
  await using group = new TaskGroup(outer);
  const running = group.start((task) => sleep(60_000, task));
  outer.abort(new Error('why'));
  await assert.rejects(running, /why/);
});

test('allEnded() fails only once the slowest task has ended', async () => {
  let hasEnded = false;
  const slow = delay(20).then(() => {
    hasEnded = true;
    return 2;
  });
  await assert.rejects(allEnded([Promise.reject(new Error('quick')), slow]), /quick/);
  assert.equal(hasEnded, true);
  assert.deepEqual(await allEnded([Promise.resolve('a'), slow]), ['a', 2]);
});
