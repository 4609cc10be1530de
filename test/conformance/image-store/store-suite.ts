import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { ImageStore, NewImage } from '../../../src/core/ports/images/image-store.ts';
import type { Report } from '../../../src/protocol/events.ts';

/** An empty store in `dir`, and the name of an image that it can build. */
export interface StoreBench {
  store: ImageStore;
  name: string;
}

const FULL = 'docker.io/library/alpine:3.20';
const pull = (reference = FULL, arch: NewImage['arch'] = 'amd64'): NewImage => ({
  origin: { kind: 'registry', reference },
  arch,
  force: false,
});

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
      await store.release(id, limit());
      assert.equal((await store.getById(id)).rootfsPath, rootfsPath);
      await rm(vmDir, { recursive: true });
      await store.release(id, limit());
      await assert.rejects(store.getById(id), { code: 'IMAGE_NOT_FOUND' });
      await store.release(id, limit());
    });

    test('keeps an image that has a name when its holder is gone', async () => {
      const { store } = bench;
      const vmDir = join(dir, 'vm');
      await mkdir(vmDir);
      const { id } = await store.add(FULL, pull(), { report() {}, ...limit() });
      await store.hold(id, vmDir, limit());
      await rm(vmDir, { recursive: true });
      await store.release(id, limit());
      assert.equal((await store.get(FULL)).id, id);
    });

    test('makes an image of what a registry has, and finds it by any form of its reference', async () => {
      const { store } = bench;
      const stages: string[] = [];
      const report: Report = (event) => {
        if (event.event === 'progress' && event.bytes) stages.push(event.stage);
      };
      const pulled = await store.add(FULL, pull(), { report, ...limit() });
      assert.equal(pulled.name, FULL);
      assert.deepEqual(pulled.provenance.origin, pull().origin);
      assert.ok(pulled.config.env?.length);
      assert.equal(pulled.kernelName, undefined);
      assert.ok(stages.includes('pull'));
      assert.deepEqual(await store.get('alpine:3.20'), pulled);
      assert.deepEqual(await store.getById(pulled.id), pulled);
      assert.deepEqual(await store.add(FULL, pull(), { report, ...limit() }), pulled);
      await store.delete('alpine:3.20', limit());
      assert.deepEqual(await store.list(), []);
    });

    test('has one image for each architecture of a name, and each comes and goes alone', async () => {
      const { store } = bench;
      const task = { report() {}, ...limit() };
      const foreign = `${FULL}+arm64`;
      const own = await store.add(FULL, pull(), task);
      const other = await store.add(foreign, pull(FULL, 'arm64'), task);
      assert.deepEqual([own.arch, other.arch, other.name], ['amd64', 'arm64', foreign]);
      assert.notEqual(own.id, other.id);
      assert.deepEqual(await store.get('alpine:3.20+arm64'), other);
      assert.deepEqual(await store.get('alpine:3.20+amd64'), own);
      assert.deepEqual(await store.get('alpine:3.20'), own);
      assert.equal((await store.list()).length, 2);
      const tools = await store.add('tools+arm64', pull(FULL, 'arm64'), task);
      assert.deepEqual(await store.get('tools+arm64'), tools);
      await assert.rejects(store.get('tools'), { code: 'IMAGE_NOT_FOUND' });
      await assert.rejects(store.add('../x+arm64', pull(FULL, 'arm64'), task), {
        code: 'IMAGE_NAME_INVALID',
      });
      await store.delete('alpine:3.20', limit());
      assert.deepEqual(await store.get(foreign), other);
      await store.delete(foreign, limit());
      await assert.rejects(store.get(foreign), { code: 'IMAGE_NOT_FOUND' });
    });

    test('gives a pulled image a plain name and a kernel that are chosen for it', async () => {
      const { store } = bench;
      const task = { report() {}, ...limit() };
      const pulled = await store.add('tools', { ...pull(), kernelName: 'chosen-1' }, task);
      assert.equal(pulled.kernelName, 'chosen-1');
      assert.deepEqual(await store.get('tools'), pulled);
      const other = pull('x.example/other:1');
      await assert.rejects(store.add('tools', other, task), { code: 'IMAGE_EXISTS' });
      await store.add('tools', { ...other, force: true }, task);
      assert.notEqual((await store.get('tools')).id, pulled.id);
      await assert.rejects(store.add('../x', pull(), task), { code: 'IMAGE_NAME_INVALID' });
      const reason = new Error('enough');
      const aborted = { report() {}, signal: AbortSignal.abort(reason) };
      await assert.rejects(store.add('more', pull(), aborted), reason);
    });
  });
}
