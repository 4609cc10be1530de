import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LatestTasks } from './latest-tasks.ts';

test('only the latest task of a key counts, and all tasks that count are awaited', async () => {
  const tasks = new LatestTasks();
  const gates = new Map<string, () => void>();
  const done: [string, boolean][] = [];
  const begin = (key: string, name: string): void =>
    tasks.begin(key, async (isLatest) => {
      await new Promise<void>((open) => void gates.set(name, open));
      done.push([name, isLatest()]);
    });
  begin('a', 'a1');
  begin('a', 'a2');
  begin('b', 'b1');
  await new Promise(setImmediate);
  let isSettled = false;
  const settled = tasks.settled().then(() => {
    isSettled = true;
  });
  for (const name of ['a1', 'b1']) gates.get(name)?.();
  await new Promise(setImmediate);
  assert.equal(isSettled, false);
  gates.get('a2')?.();
  await settled;
  assert.deepEqual(done, [
    ['a1', false],
    ['b1', true],
    ['a2', true],
  ]);
  await tasks.settled();
});
