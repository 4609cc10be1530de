import assert from 'node:assert/strict';
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fakeBuildTools } from '../../../test/support/fakes/fake-build-tools.ts';
import { makeModules } from '../../../test/support/fakes/fake-modules.ts';
import { nullLog } from '../../../test/support/null-log.ts';
import { isAppError } from '../../base/errors.ts';
import type { KernelSource, UnpackedKernel } from '../../core/ports/images/kernels.ts';
import { FsKernelStore } from './kernel-store.ts';

let dir: string;
let env: Record<string, string>;
let kernel: UnpackedKernel;
let fetched: number;
let fails: boolean;

const source: KernelSource = {
  available: async () => [{ name: kernel.name, release: kernel.release, arch: 'amd64', downloadBytes: 7 }],
  async withKernel(arch, use) {
    if (fails) throw new Error('no mirror');
    fetched += 1;
    await use(arch === kernel.arch ? kernel : { ...kernel, name: `of-${arch}`, arch });
  },
};

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kernel-store-'));
  fetched = 0;
  fails = false;
  env = (await fakeBuildTools(dir)).env;
  const modulesTree = join(dir, 'modules');
  await mkdir(modulesTree);
  const blk = 'kernel/drivers/block/virtio_blk.ko';
  const builtin = ['virtio_mmio', 'dm-mod', 'dm-snapshot', 'ext4', 'virtio_console'];
  await makeModules(modulesTree, {
    listed: { [blk]: [] },
    builtin: builtin.map((name) => `kernel/${name}.ko`),
  });
  kernel = {
    name: 'debian-6.1.5-1-cloud-amd64',
    release: '6.1.0-1-cloud-amd64',
    arch: 'amd64',
    kernelPath: join(dir, 'vmlinuz'),
    configPath: join(dir, 'config'),
    modulesTree,
  };
  await writeFile(kernel.kernelPath, 'kernel');
  await writeFile(kernel.configPath, 'config');
  await writeFile(join(dir, 'agent'), 'first agent');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const kernelsDir = () => join(dir, 'kernels');
const abortable = () => ({ signal: AbortSignal.timeout(60_000) });
const has = (code: string) => (error: unknown) => isAppError(error, code);

function newStore(): FsKernelStore {
  const agentPath = () => join(dir, 'agent');
  return new FsKernelStore({
    kernelsDir: kernelsDir(),
    source,
    agentPath,
    uid: process.getuid?.() ?? 0,
    env,
    log: nullLog,
  });
}

test('a published kernel has everything that a boot needs', async () => {
  const store = newStore();
  const list = join(kernel.modulesTree, 'modules.dep');
  await chmod(list, 0o600);
  await store.publish(kernel, abortable());
  const found = await store.get(kernel.name, abortable());
  const kept = join(kernelsDir(), kernel.name, 'boot-modules', 'modules.dep');
  assert.equal((await stat(kept)).mode & 0o777, 0o644, 'as every other file of it');
  assert.equal(await readFile(found.kernelPath, 'utf8'), 'kernel');
  assert.equal((await stat(found.modulesPath)).size % 4096, 0);
  assert.ok((await readFile(found.initrdPath)).includes('first agent'));
  assert.equal(found.vmlinuxPath, undefined);
  const { initrdPath: _, initrdSha256: __, ...entry } = found;
  assert.deepEqual(await store.list(), [entry]);
  assert.deepEqual(await readdir(join(kernelsDir(), '.staging')), []);
});

test('the initramfs is rebuilt only when the agent has changed or the file is gone', async () => {
  const store = newStore();
  await store.publish(kernel, abortable());
  const first = await store.get(kernel.name, abortable());
  const { ino } = await stat(first.initrdPath);
  await store.get(kernel.name, abortable());
  assert.equal((await stat(first.initrdPath)).ino, ino);
  await writeFile(join(dir, 'agent'), 'second agent, longer');
  const second = await store.get(kernel.name, abortable());
  assert.notEqual(second.initrdPath, first.initrdPath);
  assert.ok((await readFile(second.initrdPath)).includes('second agent'));
  await rm(second.initrdPath);
  assert.equal((await store.get(kernel.name, abortable())).initrdSha256, second.initrdSha256);
  await stat(second.initrdPath);
});

test('an initramfs with an earlier agent goes once no start has used it for an hour', async () => {
  const store = newStore();
  const kernelDir = join(kernelsDir(), kernel.name);
  const initrds = async () => (await readdir(kernelDir)).filter((name) => name.startsWith('initrd-')).sort();
  const prune = async (isDryRun = false) =>
    await store.retainOnly('all', { ...abortable(), defaultsOf: new Set(), isDryRun });
  const age = async (path: string) => await utimes(path, new Date(0), new Date(0));
  await store.publish(kernel, abortable());
  const first = await store.get(kernel.name, abortable());
  await writeFile(join(dir, 'agent'), 'second agent, longer');
  const second = await store.get(kernel.name, abortable());
  const left = `${first.initrdPath}.0123456789ab.tmp`;
  await writeFile(left, 'of a program that was killed');
  assert.deepEqual(await prune(), { kernelCount: 0, initrdCount: 0, bytes: 0 });
  for (const path of [first.initrdPath, second.initrdPath, left]) await age(path);
  const before = await store.diskUsage();
  const counted = await prune(true);
  assert.equal(counted.initrdCount, 2);
  assert.equal((await initrds()).length, 3);
  assert.deepEqual(await prune(), counted);
  assert.deepEqual(await initrds(), [basename(second.initrdPath)], 'the current one stays, however old');
  const { initrds: after, kernels } = await store.diskUsage();
  assert.deepEqual(after, { count: 1, bytes: before.initrds.bytes - counted.bytes });
  assert.equal(kernels.count, 1);
  await age(second.initrdPath);
  await store.get(kernel.name, abortable());
  await writeFile(join(dir, 'agent'), 'third');
  assert.equal((await prune()).initrdCount, 0, 'a start has used it');
  await age(second.initrdPath);
  assert.equal((await prune()).initrdCount, 1);
  assert.deepEqual(await initrds(), []);
  await store.get(kernel.name, abortable());
  assert.equal((await initrds()).length, 1, 'what was removed is made again when it is needed');
});

test("depmod's lists that only their owner may read are mended when the store is opened", async () => {
  await newStore().publish(kernel, abortable());
  const lists = ['modules.dep', 'modules.builtin'].map((name) =>
    join(kernelsDir(), kernel.name, 'boot-modules', name),
  );
  for (const path of lists) await chmod(path, 0o600);
  assert.equal((await newStore().list()).length, 1);
  for (const path of lists) assert.equal((await stat(path)).mode & 0o777, 0o644);
  await rm(lists[1] ?? '');
  assert.equal((await newStore().list()).length, 1);
});

test('publishing an existing kernel keeps it; a damaged one is replaced', async () => {
  const store = newStore();
  await store.publish(kernel, abortable());
  const { createdAt, modulesPath } = await store.get(kernel.name, abortable());
  await store.publish(kernel, abortable());
  assert.equal((await store.get(kernel.name, abortable())).createdAt, createdAt);
  await truncate(modulesPath, 10);
  await assert.rejects(store.get(kernel.name, abortable()), has('KERNEL_DAMAGED'));
  assert.deepEqual(await store.list(), []);
  await store.publish(kernel, abortable());
  await store.get(kernel.name, abortable());
});

test('a kernel that VMs cannot boot with is refused and leaves nothing', async () => {
  await makeModules(kernel.modulesTree, { listed: {}, builtin: [] });
  await assert.rejects(newStore().publish(kernel, abortable()), has('KERNEL_MODULES_MISSING'));
  assert.deepEqual(await newStore().list(), []);
  assert.deepEqual(await readdir(join(kernelsDir(), '.staging')), []);
});

test('retainOnly() removes the others', async () => {
  const store = newStore();
  await store.publish(kernel, abortable());
  await store.publish({ ...kernel, name: 'other' }, abortable());
  await store.get(kernel.name, abortable());
  const options = { ...abortable(), defaultsOf: new Set<never>() };
  const counted = await store.retainOnly(new Set(['other']), { ...options, isDryRun: true });
  assert.equal((await store.list()).length, 2);
  const { initrds } = await store.diskUsage();
  assert.deepEqual([counted.kernelCount, counted.initrdCount], [1, 0], 'its initrd is part of it');
  assert.ok(counted.bytes > initrds.bytes);
  assert.deepEqual(await store.retainOnly(new Set(['other']), options), counted);
  assert.deepEqual(
    (await store.list()).map(({ name }) => name),
    ['other'],
  );
});

test('retainOnly() keeps what VMs hold, and the default kernel when an image needs it', async () => {
  const store = newStore();
  const names = async () => (await store.list()).map(({ name }) => name);
  await store.publish(kernel, abortable());
  await store.publish({ ...kernel, name: 'newest' }, abortable());
  const vmDir = join(dir, 'vm');
  await mkdir(vmDir);
  await store.hold(kernel.name, vmDir, abortable());
  await store.hold(kernel.name, vmDir, abortable());
  await assert.rejects(store.hold('none', vmDir, abortable()), has('KERNEL_NOT_FOUND'));
  await store.retainOnly(new Set(), { ...abortable(), defaultsOf: new Set(['amd64']) });
  assert.deepEqual(await names(), [kernel.name, 'newest']);
  await rm(vmDir, { recursive: true });
  await store.retainOnly(new Set(), { ...abortable(), defaultsOf: new Set(['amd64']) });
  assert.deepEqual(await names(), ['newest']);
  await store.retainOnly(new Set(), { ...abortable(), defaultsOf: new Set() });
  assert.deepEqual(await names(), []);
});

test('the default kernel is the newest of this host, and is fetched once when there is none', async () => {
  const notices: string[] = [];
  const task = () => ({
    ...abortable(),
    report: (event: { event: string }) => notices.push(event.event),
  });
  const [one, other] = [newStore(), newStore()];
  const all = [one, one, other].map((store) => store.getDefault('amd64', task()));
  assert.deepEqual([...new Set((await Promise.all(all)).map(({ name }) => name))], [kernel.name]);
  assert.equal(fetched, 1);
  assert.ok(notices.includes('notice'));
  await one.publish({ ...kernel, name: 'newest' }, abortable());
  await one.publish({ ...kernel, name: 'foreign', arch: 'arm64' }, abortable());
  assert.equal((await one.getDefault('amd64', task())).name, 'newest');
  assert.equal(fetched, 1);
});

test('each architecture has its own default kernel, which is kept for its images', async () => {
  const store = newStore();
  const task = { ...abortable(), report: () => {} };
  const own = await store.getDefault('amd64', task);
  const foreign = await store.getDefault('arm64', task);
  assert.deepEqual([own.arch, foreign.arch, fetched], ['amd64', 'arm64', 2]);
  await store.getDefault('arm64', task);
  assert.equal(fetched, 2);
  await store.retainOnly(new Set(), { ...abortable(), defaultsOf: new Set(['arm64']) });
  assert.deepEqual(
    (await store.list()).map(({ name }) => name),
    [foreign.name],
  );
});

test('a failure to fetch the default kernel is passed on, and the next call tries again', async () => {
  const store = newStore();
  const task = { ...abortable(), report: () => {} };
  fails = true;
  await assert.rejects(store.getDefault('amd64', task), /no mirror/);
  assert.deepEqual(await store.list(), []);
  fails = false;
  assert.equal((await store.getDefault('amd64', task)).name, kernel.name);
});

test('a missing kernel and a missing agent are reported', async () => {
  const store = newStore();
  for (const name of ['none', '../modules', '.staging', '']) {
    await assert.rejects(store.get(name, abortable()), has('KERNEL_NOT_FOUND'));
  }
  await store.publish(kernel, abortable());
  await rm(join(dir, 'agent'));
  await assert.rejects(store.get(kernel.name, abortable()), has('AGENT_NOT_FOUND'));
});
