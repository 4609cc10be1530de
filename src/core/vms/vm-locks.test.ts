import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { neverAborts, sleep } from '../../base/abort.ts';
import { abortable } from '../../base/async.ts';
import { AppError } from '../../base/errors.ts';
import { VmLocks } from './vm-locks.ts';

const signal = neverAborts();
const reason = new AppError('OPERATION_CANCELLED', 'it is killed');

function openLocks(): VmLocks {
  return new VmLocks({ nameOf: (vmId) => (vmId === 'a' ? 'web' : undefined) });
}

/** A task that runs until its signal aborts; it has begun once `begun` has settled. */
function untilAborted(): { begun: Promise<void>; task: (held: { signal: AbortSignal }) => Promise<never> } {
  const { promise: begun, resolve } = Promise.withResolvers<void>();
  return {
    begun,
    task: async (held) => {
      resolve();
      return await abortable(new Promise<never>(() => {}), held.signal);
    },
  };
}

test('one task at a time works on a VM, and other VMs do not wait for it', async () => {
  const locks = openLocks();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const seen: string[] = [];
  const first = locks.run('a', () => gate, { action: 'fork', signal });
  const second = locks.run('a', async () => seen.push('second'), { action: 'stop', signal });
  await locks.run('b', async () => seen.push('other'), { action: 'stop', signal });
  assert.deepEqual(seen, ['other']);
  open();
  await Promise.all([first, second]);
  assert.deepEqual(seen, ['other', 'second']);
  assert.equal(locks.holder('a'), undefined);
});

test('a task that waits too long fails with what is being done to the VM, and since when', async () => {
  const locks = openLocks();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const first = locks.run('a', () => gate, { action: 'fork', signal });
  await turn();
  await assert.rejects(
    locks.run('a', async () => assert.fail('it never runs'), { action: 'stop', signal, waitMs: 20 }),
    (error: AppError) => {
      assert.equal(error.code, 'VM_BUSY');
      assert.match(error.message, /^Cannot stop vm "web": it is being forked, for [0-9.]+ s so far$/);
      assert.equal(error.hint, 'wait until that has finished, or kill the VM: banger vm kill web');
      assert.equal(error.details?.['heldBy'], 'fork');
      return true;
    },
  );
  open();
  await first;
  await locks.run('a', async () => {}, { action: 'stop', signal });
});

test('a task reports what it waits for, and reports nothing if it need not wait', async () => {
  const locks = openLocks();
  const told: string[] = [];
  const report = (event: { event: string; detail?: string }): void => void told.push(event.detail ?? '');
  await locks.run('a', async () => {}, { action: 'stop', signal, report });
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const first = locks.run('a', () => gate, { action: 'snapshot', signal });
  const second = locks.run('a', async () => {}, { action: 'stop', signal, report });
  while (told.length === 0) await sleep(5, { signal });
  open();
  await Promise.all([first, second]);
  assert.deepEqual(told, ['it is being copied to a snapshot']);
});

test('interrupt() ends the holder of the lock and those who wait for it, but no later task', async () => {
  const locks = openLocks();
  const { begun, task } = untilAborted();
  const running = locks.run('a', task, { action: 'fork', signal });
  const waiting = locks.run('a', async () => assert.fail('it never runs'), { action: 'snapshot', signal });
  await begun;
  assert.equal(locks.interrupt('a', { reason }), true);
  const later = locks.run('a', async () => 'done', { action: 'kill', signal });
  await assert.rejects(running, reason);
  await assert.rejects(waiting, reason);
  assert.equal(await later, 'done');
  assert.equal(locks.interrupt('a', { reason }), false);
});

test('interrupt() spares uninterruptible tasks and exceptions', async () => {
  const locks = openLocks();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const work = async (held: { signal: AbortSignal }): Promise<boolean> => {
    await gate;
    return held.signal.aborted;
  };
  const deleting = locks.run('a', work, { action: 'delete', isInterruptible: false, signal });
  const creating = locks.run('b', work, { action: 'create', signal });
  await turn();
  assert.equal(locks.interrupt('a', { reason }), false);
  assert.equal(locks.interrupt('b', { reason, except: ['create'] }), false);
  open();
  assert.deepEqual(await Promise.all([deleting, creating]), [false, false]);
});

test("the caller's abort also ends the task, and leaves no listener", async () => {
  const locks = openLocks();
  const controller = new AbortController();
  const { begun, task } = untilAborted();
  const running = locks.run('a', task, { action: 'fork', signal: controller.signal });
  await begun;
  controller.abort(reason);
  await assert.rejects(running, reason);
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
});
