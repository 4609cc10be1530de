import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { neverAborts } from './abort.ts';
import { abortable, KeyedMutex, SharedWork } from './async.ts';

const signal = neverAborts();
const gone = new Error('gone');

test('KeyedMutex runs the tasks of a key one after another, in order; other keys do not wait', async () => {
  const mutex = new KeyedMutex();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const seen: string[] = [];
  const first = mutex.run(
    'a',
    async () => {
      await gate;
      seen.push('first');
    },
    { signal },
  );
  const second = mutex.run('a', async () => seen.push('second'), { signal });
  await mutex.run('b', async () => seen.push('other'), { signal });
  open();
  await Promise.all([first, second]);
  assert.deepEqual(seen, ['other', 'first', 'second']);
});

test('KeyedMutex continues after a failed task, and passes the error only to its caller', async () => {
  const mutex = new KeyedMutex();
  const failing = mutex.run('a', () => Promise.reject(gone), { signal });
  const next = mutex.run('a', async () => 'done', { signal });
  await assert.rejects(failing, gone);
  assert.equal(await next, 'done');
});

test('KeyedMutex: a task that stops waiting never runs, and does not let another task run beside the current one', async () => {
  const mutex = new KeyedMutex();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const seen: string[] = [];
  const first = mutex.run(
    'a',
    async () => {
      await gate;
      seen.push('first');
    },
    { signal },
  );
  const controller = new AbortController();
  const waiting = mutex.run('a', async () => seen.push('never'), controller);
  controller.abort(gone);
  await assert.rejects(waiting, gone);
  const third = mutex.run('a', async () => seen.push('third'), { signal });
  await turn();
  assert.deepEqual(seen, []);
  open();
  await Promise.all([first, third]);
  assert.deepEqual(seen, ['first', 'third']);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
});

test('abortable() rejects at once with the reason, and never leaves a listener', async () => {
  const controller = new AbortController();
  assert.equal(await abortable(Promise.resolve(1), controller.signal), 1);
  await assert.rejects(abortable(Promise.reject(gone), controller.signal), gone);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
  const waiting = abortable(new Promise(() => {}), controller.signal);
  controller.abort(gone);
  await assert.rejects(waiting, gone);
  await assert.rejects(abortable(Promise.resolve(1), controller.signal), gone);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
});

/** Work that runs until it is stopped; the test decides when its undo ends. */
function stoppable() {
  const undo = Promise.withResolvers<void>();
  let starts = 0;
  return {
    endUndo: undo.resolve,
    starts: () => starts,
    work: async (stop: AbortSignal): Promise<number> => {
      starts += 1;
      if (starts > 1) return starts;
      await new Promise((resolve) => stop.addEventListener('abort', resolve, { once: true }));
      await undo.promise;
      throw stop.reason;
    },
  };
}

test('SharedWork runs once for concurrent callers, and again for a later one', async () => {
  const shared = new SharedWork<number>();
  let runs = 0;
  const work = async (): Promise<number> => {
    await turn();
    runs += 1;
    return runs;
  };
  assert.deepEqual(await Promise.all([1, 2, 3].map(() => shared.run('k', work, { signal }))), [1, 1, 1]);
  assert.equal(await shared.run('k', work, { signal }), 2);
});

test('SharedWork: a caller that leaves does not stop the work of the others', async () => {
  const shared = new SharedWork<string>();
  const { promise, resolve } = Promise.withResolvers<string>();
  const controller = new AbortController();
  const work = (): Promise<string> => promise;
  const leaver = shared.run('k', work, controller);
  const stayer = shared.run('k', work, { signal });
  controller.abort(gone);
  await assert.rejects(leaver, gone);
  resolve('done');
  assert.equal(await stayer, 'done');
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
});

test('SharedWork: the last caller that leaves stops the work and waits for its undo', async () => {
  const shared = new SharedWork<number>();
  const { work, endUndo } = stoppable();
  const controller = new AbortController();
  let isSettled = false;
  const leaver = shared.run('k', work, controller).finally(() => {
    isSettled = true;
  });
  leaver.catch(() => {});
  controller.abort(gone);
  await turn();
  assert.equal(isSettled, false);
  endUndo();
  await assert.rejects(leaver, gone);
});

test('SharedWork: a caller that arrives during the undo waits for it and starts a new run', async () => {
  const shared = new SharedWork<number>();
  const { work, endUndo, starts } = stoppable();
  const controller = new AbortController();
  const leaver = shared.run('k', work, controller);
  leaver.catch(() => {});
  controller.abort(gone);
  await turn();
  const newcomer = shared.run('k', work, { signal });
  await turn();
  assert.equal(starts(), 1);
  endUndo();
  assert.equal(await newcomer, 2);
});
