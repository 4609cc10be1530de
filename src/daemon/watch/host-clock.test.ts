import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverAborts, poll, sleep } from '../../base/abort.ts';
import { watchHostClock } from './host-clock.ts';

const signal = neverAborts();

test('watchHostClock() reports steps of the clock in both directions, sleep, and small steps that add up, and nothing else', async () => {
  let [wallMs, monotonicMs] = [1_000_000, 0];
  const steps: number[] = [];
  const advance = (ms: number, slept = 0): void => {
    monotonicMs += ms;
    wallMs += ms + slept;
  };
  using watch = watchHostClock(
    { wallMs: () => wallMs, monotonicMs: () => monotonicMs, everyMs: 1 },
    (stepMs) => steps.push(stepMs),
  );
  const told = (count: number): Promise<unknown> =>
    poll(() => steps.length === count || undefined, {
      everyMs: 1,
      deadlineMs: 55_000,
      what: 'a step',
      signal,
    });
  advance(60_000);
  await sleep(20, { signal });
  assert.deepEqual(steps, []);
  advance(500, 3_600_000);
  await told(1);
  advance(500, -90_000);
  await told(2);
  for (let at = 0; at < 3; at += 1) {
    advance(500, 100);
    await sleep(10, { signal });
  }
  await told(3);
  assert.deepEqual(steps, [3_600_000, -90_000, 300]);
  watch[Symbol.dispose]();
  advance(500, 5_000);
  await sleep(10, { signal });
  assert.equal(steps.length, 3);
});
