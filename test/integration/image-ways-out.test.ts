import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { OciOutlet } from '../../src/adapters/image/oci/image-outlet.ts';
import { isAppError } from '../../src/base/errors.ts';
import { exportImage, pushImage } from '../../src/core/images/bring-out.ts';
import { promoteImage } from '../../src/core/images/promote-image.ts';
import { overlaySize } from '../../src/core/overlay-size.ts';
import type { NewImage } from '../../src/core/ports/images/image-store.ts';
import type { StoredImage } from '../../src/core/ports/images/stored-image.ts';
import type { Report, Task } from '../../src/protocol/events.ts';
import { openRegistry, type TestRegistry } from '../e2e/support/registry.ts';
import { assertCleanImage, copyFromImage, makeImageOf } from '../helpers/read-image.ts';
import { fakeBuildTools } from '../support/fakes/fake-build-tools.ts';
import { BUILT_HOST_TOOLS } from '../support/host-tools.ts';
import { testImageStore } from '../support/images/image-store.ts';

let dir: string;
let store: ReturnType<typeof testImageStore>;
let outlet: OciOutlet;
let registry: TestRegistry;
let notices: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'out-'));
  const oci = { hostTools: BUILT_HOST_TOOLS, dir, runs: async () => [] };
  store = testImageStore({ dir, tools: await fakeBuildTools(dir), oci });
  registry = await openRegistry();
  const blobsDir = join(dir, 'images', '.content');
  const settings = { mirrors: {}, insecure: [] };
  outlet = new OciOutlet({ hostTools: BUILT_HOST_TOOLS, env: {}, userEnv: {}, blobsDir, settings });
  notices = [];
});
afterEach(async () => {
  await registry[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const task = (): Task & { report: Report } => ({
  signal: AbortSignal.timeout(60_000),
  report: (event) => {
    if (event.event === 'notice') notices.push(event.message);
  },
});
const world = () => ({ images: store, outlet });

async function tree(): Promise<string> {
  const path = join(dir, 'tree');
  await mkdir(join(path, 'etc'), { recursive: true });
  await writeFile(join(path, 'etc/file'), 'of the image\n');
  // The same folder is the same image.
  for (const one of ['etc/file', 'etc', '.']) await utimes(join(path, one), 1e9, 1e9);
  return path;
}

async function imported(name: string): Promise<StoredImage> {
  const origin = { kind: 'archive', format: 'dir', path: await tree() } as const;
  return await store.add(name, { origin, arch: 'amd64', force: false }, task());
}

async function registered(name: string): Promise<{ image: StoredImage; file: string }> {
  const file = join(dir, `${name}.ext4`);
  makeImageOf(await tree(), file);
  const image = await store.add(
    name,
    { origin: { kind: 'file', path: file }, arch: 'amd64', force: false },
    task(),
  );
  return { image, file };
}

/** A VM of an image that has changed nothing. */
async function unchanged(base: StoredImage): Promise<NewImage> {
  const { overlayBytes } = overlaySize({
    imageBytes: (await stat(base.rootfsPath)).size,
    freeBytes: 2 ** 20,
  });
  const readOverlay = async (target: string): Promise<void> => {
    await writeFile(target, '', { flag: 'wx' });
    await truncate(target, overlayBytes);
  };
  const origin = { kind: 'commit', vm: 'web', base: base.name, at: new Date().toISOString() } as const;
  return { origin, root: { base, hostFiles: ['/etc/token'], readOverlay }, arch: 'amd64', force: false };
}

function contentOf(image: StoredImage): string {
  assertCleanImage(image.rootfsPath);
  copyFromImage(image.rootfsPath, '/etc', join(dir, 'copied'));
  return execFileSync('cat', [join(dir, 'copied', 'file')]).toString();
}

test('an image leaves with its own layers, and comes back with the same digest', async () => {
  const image = await imported('one');
  const reference = `${registry.host}/team/one:1`;
  const pushed = await pushImage(world(), 'one', { reference, ...task() });
  assert.deepEqual([pushed.uploaded, pushed.present, pushed.reference], [1, 0, reference]);
  assert.equal(pushed.digest, image.provenance.manifestDigest);
  const back = await store.add(
    reference,
    { origin: { kind: 'registry', reference }, arch: 'amd64', force: false },
    task(),
  );
  assert.equal(back.provenance.manifestDigest, pushed.digest);
  const again = await pushImage(world(), reference, task());
  assert.deepEqual([again.uploaded, again.present, again.uploadedBytes], [0, 1, 0]);
  const path = join(dir, 'one.tar');
  const exported = await exportImage(world(), reference, { path, ...task() });
  assert.equal(exported.digest, pushed.digest);
  const index = JSON.parse(execFileSync('tar', ['-xOf', path, 'index.json']).toString());
  assert.equal(index.manifests[0].annotations['io.containerd.image.name'], reference);
  const origin = { kind: 'archive', format: 'oci-archive', path } as const;
  const third = await store.add('third', { origin, arch: 'amd64', force: false }, task());
  assert.equal(third.provenance.manifestDigest, pushed.digest);
  assert.deepEqual(await readdir(join(dir, 'images', '.staging')), []);
});

test('an image without layers becomes one layer, and leaves nothing in the store', async () => {
  await registered('own');
  const path = join(dir, 'own.tar');
  const { layers } = await exportImage(world(), 'own', { path, ...task() });
  assert.equal(layers, 1);
  assert.equal((await store.diskUsage(task())).blobs.count, 0);
  const origin = { kind: 'archive', format: 'oci-archive', path } as const;
  assert.equal(
    contentOf(await store.add('back', { origin, arch: 'amd64', force: false }, task())),
    'of the image\n',
  );
});

test('a push that says nowhere to go, or fails, says so', async () => {
  await imported('one');
  const codeOf = async (reference?: string): Promise<string> =>
    await pushImage(world(), 'one', { reference, ...task() }).then(
      () => 'none',
      (error: unknown) => (isAppError(error) ? error.code : String(error)),
    );
  assert.equal(await codeOf(), 'IMAGE_REFERENCE_INVALID');
  assert.equal(await codeOf('../x'), 'IMAGE_REFERENCE_INVALID');
  registry.fault = 'wants credentials';
  assert.equal(await codeOf(`${registry.host}/one:1`), 'REGISTRY_UNAUTHORIZED');
  const into = exportImage(world(), 'one', { path: join(dir, 'none', 'one.tar'), ...task() });
  await assert.rejects(into, (error) => isAppError(error, 'IMAGE_FILE_UNWRITABLE'));
});

test('the root of a VM is one layer on top of those of its image, or one with everything', async () => {
  const base = await imported('one');
  const made = await store.add('made', await unchanged(base), task());
  assert.match(notices[0] ?? '', /one layer on top of those of image "one"/);
  assert.equal(contentOf(made), 'of the image\n');
  assert.ok(base.provenance.blobs.some((digest) => made.provenance.blobs.includes(digest)));
  const { image } = await registered('own');
  const whole = await store.add('whole', await unchanged(image), task());
  assert.match(notices.join('; '), /one layer with everything: image "own" has no layers/);
  assert.equal(contentOf(whole), 'of the image\n');
  await store.delete('one', task());
  const reference = `${registry.host}/team/made:1`;
  assert.equal((await pushImage(world(), 'made', { reference, ...task() })).uploaded, 2);
  const { images } = await store.diskUsage(task());
  assert.ok(images.every(({ uniqueBytes }) => uniqueBytes >= 0));
  assert.deepEqual(await readdir(join(dir, 'images', '.staging')), []);
});

test('an image that an interrupted commit was to make does not exist', async () => {
  const base = await imported('one');
  const request = await unchanged(base);
  const stop = new AbortController();
  const readOverlay = async (): Promise<void> => stop.abort(new Error('enough'));
  const root = { base, hostFiles: [], readOverlay };
  const begun = store.add('made', { ...request, root }, { ...task(), signal: stop.signal });
  await assert.rejects(begun, /enough/);
  await assert.rejects(store.get('made'), (error) => isAppError(error, 'IMAGE_NOT_FOUND'));
  assert.deepEqual(await readdir(join(dir, 'images', '.staging')), []);
});

test('a promoted image needs the file of the user no longer', async () => {
  const { image, file } = await registered('own');
  const promoted = await promoteImage(world(), 'own', task());
  assert.equal(image.isUnmanaged, true);
  assert.equal(promoted.isUnmanaged, false);
  assert.notEqual(promoted.id, image.id);
  assert.deepEqual(await readFile(promoted.rootfsPath), await readFile(file));
  assert.deepEqual(await promoteImage(world(), 'own', task()), promoted, 'once is enough');
  await rm(file);
  assert.equal(contentOf(await store.get('own')), 'of the image\n');
  await store.prune(task());
  assert.equal((await store.list()).length, 1);
});

test('only downloads go with the cache, and images need theirs', async () => {
  const image = await imported('one');
  const other = await imported('two');
  assert.equal(image.provenance.manifestDigest, other.provenance.manifestDigest);
  await mkdir(join(dir, 'images', '.content', 'partial'), { recursive: true });
  await writeFile(join(dir, 'images', '.content', 'partial', 'half'), 'x');
  const counted = await store.prune({ ...task(), isDryRun: true, isOnlyCaches: true });
  assert.deepEqual([counted.imageCount, counted.blobCount], [0, 0]);
  assert.ok(counted.freedBytes > 0);
  assert.deepEqual(await store.prune({ ...task(), isOnlyCaches: true }), counted);
  assert.equal((await store.prune({ ...task(), isOnlyCaches: true })).freedBytes, 0);
  assert.equal(
    (await pushImage(world(), 'two', { reference: `${registry.host}/x:1`, ...task() })).uploaded,
    1,
  );
});
