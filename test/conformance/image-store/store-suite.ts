import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { ImageStore } from '../../../src/core/ports/images.ts';

/** An empty store in `dir`, and the name of an image that it can build. */
export interface StoreBench {
  store: ImageStore;
  name: string;
}

/** The suite that every image store passes. */
export function describeImageStore(kind: string, open: (dir: string) => Promise<StoreBench>): void {
  describe(`the ${kind} image store`, () => {
    let dir: string;
    let bench: StoreBench;

    beforeEach(async () => {
      dir = await mkdtemp(join(tmpdir(), 'is-'));
      bench = await open(dir);
    });
    afterEach(() => rm(dir, { recursive: true, force: true }));

    const limit = () => ({ signal: AbortSignal.timeout(60_000) });
    const build = ({ store, name }: StoreBench) =>
      store.build(name, { force: false, report() {}, ...limit() });

    test('has no image at first, and says how to build one', async () => {
      const { store, name } = bench;
      assert.deepEqual(await store.list(), []);
      assert.deepEqual(store.recipes(), [name]);
      const hint = `build it: banger image build ${name}`;
      await assert.rejects(store.get(name), { code: 'IMAGE_NOT_FOUND', hint });
      await assert.rejects(store.getById(`sha256:${'0'.repeat(64)}`), { code: 'IMAGE_NOT_FOUND' });
      await assert.rejects(store.delete(name, limit()), { code: 'IMAGE_NOT_FOUND' });
    });

    test('builds an image that has a recipe, reports the steps, and then finds it', async () => {
      const { store, name } = bench;
      const steps: string[] = [];
      const built = await store.build(name, {
        force: false,
        report: ({ event }) => steps.push(event),
        ...limit(),
      });
      assert.ok(steps.includes('progress'));
      assert.deepEqual(await store.get(name), built);
      assert.deepEqual(await store.getById(built.id), built);
      assert.deepEqual(await store.list(), [built]);
      assert.equal((await stat(built.rootfsPath)).size, built.sizeBytes);
      assert.match(built.id, /^sha256:[0-9a-f]{64}$/);
      assert.deepEqual(await build(bench), built, 'an existing image is not built again');
    });

    test('builds nothing without a recipe or with an aborted signal', async () => {
      const { store, name } = bench;
      const options = { force: false, report() {}, ...limit() };
      await assert.rejects(store.build('no-such-recipe', options), { code: 'IMAGE_UNKNOWN' });
      const reason = new Error('enough');
      await assert.rejects(store.build(name, { ...options, signal: AbortSignal.abort(reason) }), reason);
      assert.deepEqual(await store.list(), []);
    });

    test('an image can be held several times, and a missing one cannot', async () => {
      const { store } = bench;
      const { id } = await build(bench);
      const vmDir = join(dir, 'vm');
      await mkdir(vmDir);
      await store.hold(id, vmDir, limit());
      await store.hold(id, vmDir, limit());
      const other = `sha256:${'0'.repeat(64)}`;
      await assert.rejects(store.hold(other, vmDir, limit()), { code: 'IMAGE_NOT_FOUND' });
    });

    test('removes the name of a deleted image, and keeps the image for its holder', async () => {
      const { store, name } = bench;
      const { id, rootfsPath } = await build(bench);
      const vmDir = join(dir, 'vm');
      await mkdir(vmDir);
      await store.hold(id, vmDir, limit());
      await store.delete(name, limit());
      await assert.rejects(store.get(name), { code: 'IMAGE_NOT_FOUND' });
      assert.deepEqual(await store.list(), []);
      assert.equal((await store.getById(id)).rootfsPath, rootfsPath);
      await rm(vmDir, { recursive: true });
      await store.prune(limit());
      await assert.rejects(store.getById(id), { code: 'IMAGE_NOT_FOUND' });
    });
  });
}
