import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { neverAborts, onAbort, poll, sleep, withDeadline } from './abort.ts';

const gone = new Error('gone');
const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;
const what = 'the thing';

test('sleep() throws the reason as soon as the signal aborts, and leaves no listener', async () => {
  const controller = new AbortController();
  await sleep(1, controller);
  assert.equal(listeners(controller.signal), 0);
  const sleeping = sleep(60_000, controller);
  controller.abort(gone);
  await assert.rejects(sleeping, gone);
  await assert.rejects(sleep(1, controller), gone);
});

test('poll() returns the first value that is not undefined', async () => {
  let tries = 0;
  const attempt = (): string | undefined => {
    tries += 1;
    return tries === 3 ? 'there' : undefined;
  };
  const value = await poll(attempt, {
    everyMs: 1,
    deadlineMs: 60_000,
    what,
    signal: neverAborts(),
  });
  assert.deepEqual([value, tries], ['there', 3]);
});

test('poll() tries at least once, says what it waited for, and stops after an abort', async () => {
  let tries = 0;
  const attempt = (): undefined => {
    tries += 1;
    return undefined;
  };
  const options = { everyMs: 1, deadlineMs: 0, what, signal: neverAborts() };
  await assert.rejects(poll(attempt, options), { code: 'WAIT_TIMEOUT', message: /the thing/ });
  assert.equal(tries, 1);
  const controller = new AbortController();
  const polling = poll(attempt, {
    ...options,
    deadlineMs: 60_000,
    everyMs: 60_000,
    signal: controller.signal,
  });
  controller.abort(gone);
  await assert.rejects(polling, gone);
  await assert.rejects(poll(attempt, { ...options, signal: controller.signal }), gone);
  assert.equal(listeners(controller.signal), 0);
});

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new Error('the error of the work'))),
  );

test('withDeadline() returns the result of the work, or throws its error when nothing was aborted', async () => {
  const controller = new AbortController();
  const options = { signal: controller.signal, deadlineMs: 60_000, what };
  assert.equal(await withDeadline(async () => 1, options), 1);
  await assert.rejects(
    withDeadline(() => Promise.reject(gone), options),
    gone,
  );
  assert.equal(listeners(controller.signal), 0);
});

test('withDeadline() throws the first reason, whatever the work throws afterwards', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  await assert.rejects(withDeadline(untilAborted, { signal, deadlineMs: 1, what }), { code: 'WAIT_TIMEOUT' });
  const working = withDeadline(untilAborted, { signal, deadlineMs: 60_000, what });
  controller.abort(gone);
  await assert.rejects(working, gone);
  assert.equal(listeners(signal), 0);
  await assert.rejects(
    withDeadline(() => assert.fail('it began'), { signal, deadlineMs: 1, what }),
    gone,
  );
});

test('onAbort() calls back once, immediately for an aborted signal, and never after its disposal', () => {
  let calls = 0;
  const count = (): void => {
    calls += 1;
  };
  const controller = new AbortController();
  onAbort(controller.signal, count)[Symbol.dispose]();
  assert.equal(listeners(controller.signal), 0);
  onAbort(controller.signal, count);
  controller.abort();
  assert.equal(calls, 1);
  onAbort(controller.signal, count)[Symbol.dispose]();
  assert.equal(calls, 2);
});
