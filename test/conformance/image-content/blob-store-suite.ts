import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { BlobStore } from '../../../src/core/ports/images/blob-store.ts';

/** An empty store, and what fills it. */
export interface BlobBench {
  store: BlobStore;
  /** brings content into the store, and returns the digests of the blobs that came with it */
  put(name: string): Promise<readonly string[]>;
  /** leaves what an interrupted download leaves */
  leavePartial(): Promise<void>;
}

/** The suite that every blob store passes, whatever fills it. */
export function describeBlobStore(kind: string, open: (dir: string) => Promise<BlobBench>): void {
  describe(`the blob store, filled by ${kind}`, () => {
    let dir: string;
    let bench: BlobBench;

    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'bs-'));
      bench = await open(dir);
    });
    afterEach(() => rm(dir, { recursive: true, force: true }));

    const options = (isDryRun = false) => ({ isDryRun, signal: AbortSignal.timeout(60_000) });
    const digests = async (): Promise<string[]> => [...(await bench.store.list()).keys()].sort();

    test('is empty at first, and pruning it removes nothing', async () => {
      assert.deepEqual(await digests(), []);
      assert.deepEqual(await bench.store.retainOnly(new Set(), options()), { count: 0, bytes: 0 });
    });

    test('lists what was put, by digest and with its size on disk', async () => {
      const put = [...(await bench.put('one'))].sort();
      assert.deepEqual(await digests(), put);
      for (const [digest, bytes] of await bench.store.list()) {
        assert.match(digest, /^sha256:[0-9a-f]{64}$/);
        assert.ok(bytes > 0, `${digest}: ${bytes}`);
      }
      await bench.put('one');
      assert.deepEqual(await digests(), put, 'the same content is there once');
    });

    test('keeps exactly what is needed, and says what goes, in a dry run too', async () => {
      const one = new Set(await bench.put('one'));
      const two = new Set(await bench.put('two'));
      const gone = [...(await bench.store.list())].filter(([digest]) => !two.has(digest));
      const expected = { count: gone.length, bytes: gone.reduce((sum, [, bytes]) => sum + bytes, 0) };
      assert.ok(expected.count > 0 && expected.count <= one.size);
      const before = await digests();
      assert.deepEqual(await bench.store.retainOnly(two, options(true)), expected);
      assert.deepEqual(await digests(), before);
      assert.deepEqual(await bench.store.retainOnly(two, options()), expected);
      assert.deepEqual(await digests(), [...two].sort());
      assert.deepEqual(await bench.store.retainOnly(two, options()), { count: 0, bytes: 0 });
      assert.deepEqual([...(await bench.put('one'))].sort(), [...one].sort(), 'it can be put again');
    });

    test('removes what interrupted downloads have left', async () => {
      await bench.leavePartial();
      assert.deepEqual(await digests(), [], 'half a blob is none');
      const { count, bytes } = await bench.store.retainOnly(new Set(), options(true));
      assert.ok(count === 0 && bytes > 0);
      await bench.store.retainOnly(new Set(), options());
      assert.deepEqual(await bench.store.retainOnly(new Set(), options()), { count: 0, bytes: 0 });
    });

    test('removes nothing once its signal has aborted', async () => {
      const put = [...(await bench.put('one'))].sort();
      const reason = new Error('enough');
      const aborted = { isDryRun: false, signal: AbortSignal.abort(reason) };
      await assert.rejects(bench.store.retainOnly(new Set(), aborted), reason);
      assert.deepEqual(await digests(), put);
    });
  });
}
