import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nullLog } from '../../../test/support/null-log.ts';
import { until } from '../../../test/support/until.ts';
import type { PruneOptions } from '../../core/ports/images/image-store.ts';
import { KEEP_DOWNLOADS_MS, watchTidiness } from './tidy-watch.ts';

const NOTHING = { imageCount: 0, blobCount: 0, kernelCount: 0, initrdCount: 0, freedBytes: 0 };

test('the store is tidied again and again, even after a failure, and keeps young downloads', async () => {
  const calls: PruneOptions[] = [];
  const prune = async (options: PruneOptions) => {
    calls.push(options);
    if (calls.length === 1) throw new Error('a disk fails');
    return NOTHING;
  };
  const watch = watchTidiness({ images: { prune }, log: nullLog, afterMs: 1, everyMs: 1 });
  await until(() => calls.length >= 3, { what: 'the third time' });
  await watch[Symbol.asyncDispose]();
  const { length } = calls;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(calls.length, length);
  for (const { keepBlobsForMs, isDryRun } of calls) {
    assert.deepEqual([keepBlobsForMs, isDryRun], [KEEP_DOWNLOADS_MS, undefined]);
  }
});

test('a tidying that is under way ends with the watch', async () => {
  let hasBegun = false;
  let hasEnded = false;
  const prune = async ({ signal }: PruneOptions) => {
    hasBegun = true;
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    hasEnded = true;
    signal.throwIfAborted();
    return NOTHING;
  };
  const watch = watchTidiness({ images: { prune }, log: nullLog, afterMs: 0 });
  await until(() => hasBegun);
  await watch[Symbol.asyncDispose]();
  assert.equal(hasEnded, true);
});
