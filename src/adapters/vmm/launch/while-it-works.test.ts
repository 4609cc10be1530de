import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { neverAborts, sleep } from '../../../base/abort.ts';
import { whileItWorks } from './while-it-works.ts';

const LIMITS = { idleMs: 60, totalMs: 55_000, everyMs: 5 };
const what = 'the socket';

const forEver = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

test('whileItWorks() waits for a program that uses the processor, however long that takes', async () => {
  let used = 0;
  const result = await whileItWorks(
    async (signal) => {
      await sleep(5 * LIMITS.idleMs, { signal });
      return 'done';
    },
    { cpuMs: async () => ++used, what, limits: LIMITS, signal: neverAborts() },
  );
  assert.equal(result, 'done');
});

test('whileItWorks() gives up on a program that uses no processor time, is gone, or never ends', async () => {
  const signal = neverAborts();
  for (const used of [7, undefined]) {
    await assert.rejects(whileItWorks(forEver, { cpuMs: async () => used, what, limits: LIMITS, signal }), {
      code: 'WAIT_TIMEOUT',
      message: 'Timed out waiting for the socket: its process has used no processor for 0.06 s',
    });
  }
  let used = 0;
  const limits = { ...LIMITS, totalMs: 40 };
  await assert.rejects(whileItWorks(forEver, { cpuMs: async () => ++used, what, limits, signal }), {
    code: 'WAIT_TIMEOUT',
    details: { what, deadlineMs: 40 },
  });
});

test('whileItWorks() throws the reason of an abort, and the errors of the work and of the measurement', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const options = { cpuMs: async () => 1, what, limits: LIMITS };
  const waiting = whileItWorks(forEver, { ...options, signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(waiting, reason);
  assert.deepEqual(getEventListeners(controller.signal, 'abort'), []);
  await assert.rejects(whileItWorks(forEver, { ...options, signal: controller.signal }), reason);
  const failed = new Error('no luck');
  const signal = neverAborts();
  await assert.rejects(
    whileItWorks(() => Promise.reject(failed), { ...options, signal }),
    failed,
  );
  await assert.rejects(
    whileItWorks(forEver, { ...options, cpuMs: () => Promise.reject(failed), signal }),
    failed,
  );
});
