import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ActivityWatch } from './activity-watch.ts';

function watch(idleExitMs: number) {
  const state = { isNeeded: false, idleCount: 0 };
  const { promise: idle, resolve } = Promise.withResolvers<void>();
  const made = new ActivityWatch({
    idleExitMs,
    isNeeded: () => state.isNeeded,
    onIdle: () => {
      state.idleCount += 1;
      resolve();
    },
  });
  return { made, state, idle };
}

test('it becomes idle once, when nothing has run for long enough', async () => {
  const { made, state, idle } = watch(20);
  using _watch = made;
  const keepAlive = setInterval(() => {}, 1_000);
  await idle;
  await delay(40);
  clearInterval(keepAlive);
  assert.equal(state.idleCount, 1);
});

test('requests and VMs keep it busy, and their end restarts the time', async () => {
  const { made, state, idle } = watch(40);
  using _watch = made;
  const keepAlive = setInterval(() => {}, 1_000);
  made.activeCount = 1;
  await delay(100);
  made.activeCount = 0;
  state.isNeeded = true;
  assert.equal(made.idleExitInMs(), undefined);
  await delay(100);
  assert.equal(state.idleCount, 0);
  state.isNeeded = false;
  await idle;
  clearInterval(keepAlive);
});

test('it reports the remaining time, and each touch restarts it', () => {
  const { made } = watch(60_000);
  using _watch = made;
  made.touch();
  const left = made.idleExitInMs() ?? 0;
  assert.ok(left > 50_000 && left <= 60_000);
});
