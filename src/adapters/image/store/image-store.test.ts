import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { type FakeBuildTools, fakeBuildTools } from '../../../../test/support/fakes/fake-build-tools.ts';
import { type FakeOci, fakeOci } from '../../../../test/support/fakes/fake-oci.ts';
import { IDLE_KERNELS } from '../../../../test/support/images/idle-kernels.ts';
import { testImageStore } from '../../../../test/support/images/image-store.ts';
import { poll } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { exec } from '../../../base/process/exec.ts';
import type { KernelPublisher } from '../../../core/ports/images/kernels.ts';
import type { Report } from '../../../protocol/events.ts';
import type { FsImageStore } from './image-store.ts';

let dir: string;
let tools: FakeBuildTools;
let oci: FakeOci;
let published: string[];
let retained: ReadonlySet<string>[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'image-store-'));
  tools = await fakeBuildTools(dir);
  oci = await fakeOci(dir);
  published = [];
  retained = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const imagesDir = () => join(dir, 'images');
const signal = () => AbortSignal.timeout(60_000);
const quiet = () => ({ force: false, report: () => {}, signal: signal() });
const has =
  (...codes: string[]) =>
  (error: unknown) =>
    isAppError(error, ...codes);

function newStore(): FsImageStore {
  const kernels: KernelPublisher = {
    ...IDLE_KERNELS,
    publish: async ({ name }) => {
      published.push(name);
    },
    retainOnly: async (names) => {
      if (names !== 'all') retained.push(names);
      return { kernelCount: 0, initrdCount: 0, bytes: 0 };
    },
  };
  return testImageStore({ dir, tools, oci, kernels });
}

async function staged(): Promise<string[]> {
  return await readdir(join(imagesDir(), '.staging'));
}

async function inImage(rootfsPath: string, command: string): Promise<string> {
  const env = { PATH: '/usr/sbin:/sbin:/usr/bin:/bin' };
  return (await exec(['debugfs', '-R', command, rootfsPath], { env, signal: signal() })).stdout.toString();
}

test('build() publishes an image with its kernel, and get(), getById() and list() find it', async () => {
  const store = newStore();
  const stages: string[] = [];
  const report: Report = (event) => {
    if (event.event === 'progress') stages.push(event.stage);
  };
  const built = await store.build('small', { force: false, report, signal: signal() });
  assert.match(built.id, /^sha256:[0-9a-f]{64}$/);
  assert.equal(built.kernelName, 'debian-6.1.5-1-cloud-amd64');
  assert.deepEqual(published, ['debian-6.1.5-1-cloud-amd64']);
  assert.deepEqual([...new Set(stages)], ['resolve', 'download', 'install', 'pack', 'publish']);
  assert.deepEqual(await store.get('small'), built);
  assert.deepEqual(await store.getById(built.id), built);
  assert.deepEqual(await store.list(), [built]);
  assert.deepEqual(await staged(), []);
});

test('an image has the files of its recipe and none of the secrets of its build', async () => {
  const { rootfsPath } = await newStore().build('small', quiet());
  assert.equal(await inImage(rootfsPath, 'cat /etc/hostname'), 'small\n');
  assert.equal(await inImage(rootfsPath, 'cat /etc/machine-id'), '');
  assert.doesNotMatch(await inImage(rootfsPath, 'ls /etc/ssh'), /host_/);
  assert.match(await inImage(rootfsPath, 'cat /etc/apt/sources.list'), /^deb \[signed-by=\/usr\/share/);
});

test('an existing image is not built again', async () => {
  const store = newStore();
  const first = await store.build('small', quiet());
  assert.deepEqual(await store.build('small', quiet()), first);
  assert.equal(await tools.runs(), 1);
});

test('two concurrent callers share one build, in one store and in two', async () => {
  const [one, other] = [newStore(), newStore()];
  const built = await Promise.all([one, one, other].map((store) => store.build('small', quiet())));
  assert.equal(new Set(built.map(({ id }) => id)).size, 1);
  assert.equal(await tools.runs(), 1);
});

test('a forced build that waited for another process uses the image that the other process built', async () => {
  const [one, other] = [newStore(), newStore()];
  const forced = { ...quiet(), force: true };
  const built = await Promise.all([one.build('small', forced), other.build('small', forced)]);
  assert.equal(built[0]?.id, built[1]?.id);
  assert.equal(await tools.runs(), 1);
});

test('after a rebuild, the old image stays for the VM that holds it, and prune() deletes it once the VM is gone', async () => {
  const store = newStore();
  const vmDir = join(dir, 'vm');
  await mkdir(vmDir);
  const old = await store.build('small', quiet());
  await store.hold(old.id, relative(process.cwd(), vmDir), { signal: signal() });
  await store.hold(old.id, vmDir, { signal: signal() });
  const rebuilt = await store.build('small', { ...quiet(), force: true });
  assert.notEqual(rebuilt.id, old.id);
  assert.equal((await store.get('small')).id, rebuilt.id);
  await store.prune({ signal: signal() });
  assert.deepEqual(await store.getById(old.id), old);
  await rm(vmDir, { recursive: true });
  await store.prune({ signal: signal() });
  await assert.rejects(store.getById(old.id), has('IMAGE_NOT_FOUND'));
  await assert.rejects(store.hold(old.id, vmDir, { signal: signal() }), has('IMAGE_NOT_FOUND'));
  assert.equal((await store.get('small')).id, rebuilt.id);
  assert.deepEqual([...(retained.at(-1) ?? [])], [rebuilt.kernelName]);
});

test('delete() removes the name and the files, and later calls find nothing', async () => {
  const store = newStore();
  const { id } = await store.build('small', quiet());
  await store.delete('small', { signal: signal() });
  await assert.rejects(store.get('small'), has('IMAGE_NOT_FOUND'));
  await assert.rejects(store.getById(id), has('IMAGE_NOT_FOUND'));
  await assert.rejects(store.delete('small', { signal: signal() }), has('IMAGE_NOT_FOUND'));
  assert.deepEqual(retained.at(-1), new Set());
  assert.deepEqual(await staged(), []);
});

test('a failed build leaves nothing, names the command that failed, and can be repeated', async () => {
  const store = newStore();
  await writeFile(join(tools.dir, 'fail'), '');
  await assert.rejects(store.build('small', quiet()), (error) => {
    assert.ok(isAppError(error, 'IMAGE_BUILD_FAILED') && isAppError(error.cause, 'EXEC_FAILED'));
    assert.match(error.cause.message, /E: cannot fetch/);
    return true;
  });
  assert.deepEqual(await staged(), []);
  assert.deepEqual(await store.list(), []);
  await rm(join(tools.dir, 'fail'));
  await store.build('small', quiet());
});

test('an interrupted build leaves nothing and throws the reason', async () => {
  const store = newStore();
  await writeFile(join(tools.dir, 'wait'), '');
  const stop = new AbortController();
  const building = store.build('small', { ...quiet(), signal: stop.signal });
  const started = async () => ((await tools.runs()) === 1 ? true : undefined);
  await poll(started, { everyMs: 10, deadlineMs: 55_000, what: 'mmdebstrap', signal: signal() });
  stop.abort(new DOMException('stop', 'AbortError'));
  await assert.rejects(building, { name: 'AbortError' });
  assert.deepEqual(await staged(), []);
  assert.deepEqual(published, []);
});

test('no build starts with an aborted signal', async () => {
  await assert.rejects(newStore().build('small', { ...quiet(), signal: AbortSignal.abort() }));
  assert.equal(await tools.runs(), 0);
});

test('a package with a hash other than that of the recipe is refused', async () => {
  await writeFile(join(tools.dir, 'npm-answer'), '[{"filename":"tool-1.0.0.tgz","integrity":"sha512-AAAA"}]');
  await assert.rejects(newStore().build('small', quiet()), has('IMAGE_CHECKSUM_MISMATCH'));
});

test('a truncated image file is damaged, is left out of list(), and is repaired by a build', async () => {
  const store = newStore();
  const { id, rootfsPath } = await store.build('small', quiet());
  await truncate(rootfsPath, 4096);
  const isDamaged = (error: unknown) => {
    assert.ok(isAppError(error, 'IMAGE_DAMAGED'));
    assert.match(error.hint ?? '', /banger image build small --force/);
    return true;
  };
  await assert.rejects(store.get('small'), isDamaged);
  await assert.rejects(store.getById(id), has('IMAGE_DAMAGED'));
  assert.deepEqual(await store.list(), []);
  const repaired = await store.build('small', quiet());
  assert.deepEqual(await store.get('small'), repaired);
});

test('list() removes what a killed build has left', async () => {
  const store = newStore();
  await mkdir(join(imagesDir(), '.staging', '0123456789abcdef', 'tree'), { recursive: true });
  assert.deepEqual(await store.list(), []);
  assert.deepEqual(await staged(), []);
});

test('names without an image are refused with the names that exist', async () => {
  const store = newStore();
  await assert.rejects(store.build('other', quiet()), (error) => {
    assert.ok(isAppError(error, 'IMAGE_UNKNOWN'));
    assert.match(error.hint ?? '', /small/);
    return true;
  });
  await assert.rejects(store.get('small'), (error) => {
    assert.ok(isAppError(error, 'IMAGE_NOT_FOUND'));
    assert.match(error.hint ?? '', /banger image build small/);
    return true;
  });
  for (const name of ['../small', '.blobs', '', 'a/b'])
    await assert.rejects(store.get(name), has('IMAGE_NOT_FOUND'));
  await assert.rejects(store.getById('sha256:../../x'), has('IMAGE_NOT_FOUND'));
});

test('the manifest is readable by others and records the sizes', async () => {
  const { rootfsPath, sizeBytes } = await newStore().build('small', quiet());
  const manifest = JSON.parse(await readFile(join(rootfsPath, '..', 'manifest.json'), 'utf8'));
  assert.deepEqual(manifest.files, { 'rootfs.ext4': sizeBytes });
});

/** Makes an image of what the registry has under `reference`. */
const pull = (store: FsImageStore, reference: string, { force = false, name = reference } = {}) =>
  store.add(name, { origin: { kind: 'registry', reference }, arch: 'amd64', force }, quiet());
const ALPINE = 'docker.io/library/alpine:3.20';

test('a pulled image has its configuration and provenance, and any form of its reference finds it', async () => {
  const store = newStore();
  const notices: string[] = [];
  const bytes: unknown[] = [];
  const report: Report = (event) => {
    if (event.event === 'notice') notices.push(event.message);
    if (event.event === 'progress' && event.bytes) bytes.push(event.bytes);
  };
  const origin = { kind: 'registry', reference: ALPINE } as const;
  const pulled = await store.add(
    ALPINE,
    { origin, arch: 'amd64', force: false },
    { report, signal: signal() },
  );
  assert.deepEqual(pulled.config.env, ['PATH=/opt/bin:/bin']);
  assert.deepEqual(pulled.provenance.origin, origin);
  assert.match(pulled.provenance.manifestDigest ?? '', /^sha256:/);
  assert.equal(pulled.provenance.blobs.length, 4);
  assert.equal(pulled.kernelName, undefined);
  for (const form of [ALPINE, 'alpine:3.20', 'docker.io/alpine:3.20']) {
    assert.deepEqual(await store.get(form), pulled);
  }
  assert.deepEqual(await store.getById(pulled.id), { ...pulled });
  assert.deepEqual(await store.list(), [pulled]);
  assert.deepEqual(notices, ['left out of the image: dev/console: a device node']);
  assert.deepEqual(bytes[0], { done: 20, total: 20 });
  assert.deepEqual(await staged(), []);
});

test('an image is pulled again only when the tag has moved, and VMs keep the one they have', async () => {
  const store = newStore();
  const first = await pull(store, ALPINE);
  const rootfsRuns = async () => (await oci.runs()).filter((run) => run.startsWith('oci rootfs')).length;
  assert.deepEqual(await pull(store, ALPINE), first);
  assert.equal(await rootfsRuns(), 1);
  const vmDir = join(dir, 'vm');
  await mkdir(vmDir);
  await store.hold(first.id, vmDir, { signal: signal() });
  await writeFile(join(oci.dir, 'version'), '2');
  const second = await pull(store, ALPINE);
  assert.notEqual(second.id, first.id);
  assert.deepEqual((await store.getById(first.id)).rootfsPath, first.rootfsPath);
  assert.equal((await pull(store, ALPINE, { force: true })).id, second.id);
  assert.equal(await rootfsRuns(), 3);
});

test('references to the same content share an image, and plain names do not share it', async () => {
  const store = newStore();
  await writeFile(join(oci.dir, 'version'), '');
  const [one] = [await pull(store, ALPINE)];
  const named = await pull(store, ALPINE, { name: 'tools' });
  assert.notEqual(named.id, one.id);
  assert.equal((await store.get('tools')).name, 'tools');
  await assert.rejects(pull(store, 'x.example/other:1', { name: 'tools' }), has('IMAGE_EXISTS'));
  const replaced = await pull(store, 'x.example/other:1', { name: 'tools', force: true });
  assert.equal((await store.get('tools')).id, replaced.id);
  await store.build('small', quiet());
  await assert.rejects(pull(store, ALPINE, { name: 'small' }), has('IMAGE_EXISTS'));
  for (const name of ['', '../x', 'A', 'alpine:3.20', '.x']) {
    await assert.rejects(pull(store, ALPINE, { name }), has('IMAGE_NAME_INVALID'), name);
  }
});

test('a failed or cancelled pull leaves no image, says why, and can be repeated', async () => {
  const store = newStore();
  await writeFile(
    join(oci.dir, 'fail'),
    JSON.stringify({ code: 'REGISTRY_NOT_FOUND', message: 'no such tag', hint: 'another one' }),
  );
  await assert.rejects(pull(store, ALPINE), has('REGISTRY_NOT_FOUND'));
  await rm(join(oci.dir, 'fail'));
  await writeFile(join(oci.dir, 'wait'), '');
  const stop = new AbortController();
  const origin = { kind: 'registry', reference: ALPINE } as const;
  const before = (await oci.runs()).length;
  const pulling = store.add(
    ALPINE,
    { origin, arch: 'amd64', force: false },
    { ...quiet(), signal: stop.signal },
  );
  const runs = async () => ((await oci.runs()).length > before ? true : undefined);
  await poll(runs, { everyMs: 10, deadlineMs: 55_000, what: 'the pull', signal: signal() });
  stop.abort(new DOMException('stop', 'AbortError'));
  await assert.rejects(pulling, { name: 'AbortError' });
  assert.deepEqual(await store.list(), []);
  assert.deepEqual(await staged(), []);
  await rm(join(oci.dir, 'wait'));
  await pull(store, ALPINE);
});

test('a registered file stays where it is, and must stay as it is', async () => {
  const store = newStore();
  const path = join(dir, 'own.ext4');
  await writeFile(path, Buffer.alloc(4096));
  const origin = { kind: 'file', path } as const;
  const register = () => store.add('own', { origin, arch: 'amd64', force: false }, quiet());
  await assert.rejects(register(), has('IMAGE_FILE_INVALID'));
  const superblock = Buffer.alloc(4096);
  superblock.writeUInt16LE(0xef53, 1024 + 0x38);
  await writeFile(path, superblock);
  const image = await register();
  assert.equal(image.rootfsPath, path);
  assert.equal(image.isUnmanaged, true);
  assert.deepEqual(await store.get('own'), image);
  await store.delete('own', { signal: signal() });
  assert.equal((await stat(path)).size, 4096);
  await register();
  await writeFile(path, Buffer.alloc(8192));
  await assert.rejects(store.get('own'), has('IMAGE_DAMAGED'));
});

test('a damaged image is made again with the same id, and its holders keep it', async () => {
  const store = newStore();
  const { id, rootfsPath } = await pull(store, ALPINE);
  const vmDir = join(dir, 'vm');
  await mkdir(vmDir);
  await store.hold(id, vmDir, { signal: signal() });
  await truncate(rootfsPath, 4096);
  assert.equal((await pull(store, ALPINE)).id, id);
  await store.delete(ALPINE, { signal: signal() });
  assert.equal((await store.getById(id)).rootfsPath, rootfsPath);
});
