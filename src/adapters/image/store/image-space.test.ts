import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type FakeBuildTools, fakeBuildTools } from '../../../../test/support/fakes/fake-build-tools.ts';
import { type FakeOci, fakeOci } from '../../../../test/support/fakes/fake-oci.ts';
import { IDLE_KERNELS } from '../../../../test/support/images/idle-kernels.ts';
import { testImageStore } from '../../../../test/support/images/image-store.ts';
import { poll } from '../../../base/abort.ts';
import type { KernelPublisher } from '../../../core/ports/images/kernels.ts';
import type { FsImageStore } from './image-store.ts';

let dir: string;
let tools: FakeBuildTools;
let oci: FakeOci;
let retained: ReadonlySet<string>[];
let keptDefault: boolean[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'image-space-'));
  tools = await fakeBuildTools(dir);
  oci = await fakeOci(dir);
  retained = [];
  keptDefault = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const imagesDir = () => join(dir, 'images');
const signal = () => AbortSignal.timeout(60_000);
const quiet = () => ({ force: false, report: () => {}, signal: signal() });
const OLD_INITRDS = { kernelCount: 0, initrdCount: 3, bytes: 100 };

function newStore(): FsImageStore {
  const kernels: KernelPublisher = {
    ...IDLE_KERNELS,
    retainOnly: async (names, { defaultsOf }) => {
      if (names !== 'all') retained.push(names);
      keptDefault.push(defaultsOf.has('amd64'));
      return OLD_INITRDS;
    },
  };
  return testImageStore({ dir, tools, oci, kernels });
}

const pull = (store: FsImageStore, reference: string) =>
  store.add(reference, { origin: { kind: 'registry', reference }, arch: 'amd64', force: false }, quiet());
const ALPINE = 'docker.io/library/alpine:3.20';

test('blobs go with the last image that was made of them, and prune() counts what it removes', async () => {
  const store = newStore();
  const blobs = () => readdir(join(imagesDir(), '.content', 'blobs', 'sha256'));
  await pull(store, ALPINE);
  await pull(store, 'x.example/other:1');
  assert.equal((await blobs()).length, 7);
  await store.delete('alpine:3.20', { signal: signal() });
  assert.equal((await blobs()).length, 4);
  await mkdir(join(imagesDir(), '.content', 'partial'));
  await writeFile(join(imagesDir(), '.content', 'partial', 'x'), 'half');
  await writeFile(join(imagesDir(), '.content', 'blobs', 'sha256', 'f'.repeat(64)), 'unused');
  const planned = await store.prune({ signal: signal(), isDryRun: true });
  assert.equal((await blobs()).length, 5);
  assert.deepEqual(await store.prune({ signal: signal() }), planned);
  assert.equal(planned.blobCount, 1);
  assert.ok(planned.freedBytes >= 8192, String(planned.freedBytes));
  assert.equal((await blobs()).length, 4);
  await store.delete('x.example/other:1', { signal: signal() });
  assert.deepEqual(await blobs(), []);
});

test('initrds go with a prune of the caches only, beside damaged images too, and young blobs may stay', async () => {
  const store = newStore();
  const { rootfsPath } = await pull(store, ALPINE);
  const content = join(imagesDir(), '.content');
  const unused = join(content, 'blobs', 'sha256', 'f'.repeat(64));
  await mkdir(join(content, 'partial'));
  await writeFile(join(content, 'partial', 'x'), 'half');
  await writeFile(unused, 'unused');
  const dayMs = 24 * 3600 * 1000;
  const pruned = await store.prune({ signal: signal(), isOnlyCaches: true, keepBlobsForMs: dayMs });
  const nothingElse = { imageCount: 0, blobCount: 0, kernelCount: 0 };
  assert.deepEqual(pruned, { ...nothingElse, initrdCount: 3, freedBytes: 100 });
  assert.deepEqual(retained, [], 'every kernel stays');
  const old = new Date(Date.now() - 2 * dayMs);
  await utimes(unused, old, old);
  const later = await store.prune({ signal: signal(), keepBlobsForMs: dayMs });
  assert.deepEqual([later.blobCount, await readdir(join(content, 'partial'))], [1, ['x']]);
  await truncate(rootfsPath, 4096);
  const beside = await store.prune({ signal: signal() });
  assert.deepEqual([beside.initrdCount, beside.blobCount], [3, 0]);
});

test('a prune beside a pull keeps the blobs that have arrived', async () => {
  const store = newStore();
  await writeFile(join(oci.dir, 'wait'), '');
  const pulling = pull(store, ALPINE);
  const runs = async () => ((await oci.runs()).length > 0 ? true : undefined);
  await poll(runs, { everyMs: 10, deadlineMs: 55_000, what: 'the pull', signal: signal() });
  const early = join(imagesDir(), '.content', 'blobs', 'sha256', 'e'.repeat(64));
  await mkdir(join(early, '..'), { recursive: true });
  await writeFile(early, 'has arrived');
  assert.equal((await newStore().prune({ signal: signal() })).blobCount, 0);
  await rm(join(oci.dir, 'wait'));
  await pulling;
  assert.equal((await store.prune({ signal: signal() })).blobCount, 1);
});

test('kernels of images stay, and the default one for as long as an image needs it', async () => {
  const store = newStore();
  const origin = { kind: 'registry', reference: ALPINE } as const;
  await store.add('own', { origin, arch: 'amd64', force: false, kernelName: 'chosen-1' }, quiet());
  assert.equal((await store.get('own')).kernelName, 'chosen-1');
  await store.prune({ signal: signal() });
  assert.deepEqual([...(retained.at(-1) ?? []), keptDefault.at(-1)], ['chosen-1', false]);
  await pull(store, ALPINE);
  await store.prune({ signal: signal() });
  assert.deepEqual([...(retained.at(-1) ?? []), keptDefault.at(-1)], ['chosen-1', true]);
});
