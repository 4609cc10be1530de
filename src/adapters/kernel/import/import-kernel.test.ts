import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fakeBuildTools } from '../../../../test/support/fakes/fake-build-tools.ts';
import {
  BOOTABLE_CONFIG,
  fakeBzImage,
  fakeImage,
  fakeVmlinux,
} from '../../../../test/support/fakes/fake-kernels.ts';
import { makeModules } from '../../../../test/support/fakes/fake-modules.ts';
import { NO_KERNELS } from '../../../../test/support/no-kernels.ts';
import { nullLog } from '../../../../test/support/null-log.ts';
import { isAppError } from '../../../base/errors.ts';
import { FsKernelStore } from '../kernel-store.ts';

const RELEASE = '6.12.0-mine';
const BUILTIN = ['virtio_mmio', 'virtio_blk', 'dm-mod', 'dm-snapshot', 'ext4', 'virtio_console'];

let dir: string;
let env: Record<string, string>;
let notices: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'import-kernel-'));
  env = (await fakeBuildTools(dir)).env;
  notices = [];
  await writeFile(join(dir, 'agent'), 'agent');
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const task = () => ({
  signal: AbortSignal.timeout(60_000),
  report: (event: { event: string; message?: string }) => {
    if (event.event === 'notice') notices.push(event.message ?? '');
  },
});
const has =
  (code: string, text = '') =>
  (error: unknown) =>
    isAppError(error, code) && error.message.includes(text);

function store(): FsKernelStore {
  return new FsKernelStore({
    kernelsDir: join(dir, 'kernels'),
    source: NO_KERNELS,
    agentPath: () => join(dir, 'agent'),
    uid: process.getuid?.() ?? 0,
    env,
    log: nullLog,
  });
}

async function put(name: string, content: Buffer | string): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content);
  return path;
}

test('a vmlinux with everything built in needs only its options', async () => {
  const path = await put('vmlinux', fakeVmlinux({ release: RELEASE }));
  const configPath = await put('my-options', BOOTABLE_CONFIG);
  const entry = await store().importFiles({ name: 'mine', path, configPath }, task());
  assert.deepEqual([entry.name, entry.release, entry.arch], ['mine', RELEASE, 'amd64']);
  assert.deepEqual([entry.origin, entry.isKept], [{ kind: 'file', path }, true]);
  const found = await store().get('mine', task());
  assert.deepEqual(await readFile(found.kernelPath), await readFile(path));
  assert.equal((await stat(found.vmlinuxPath ?? '')).ino, (await stat(found.kernelPath)).ino);
  assert.match(notices.join('\n'), /lacks CONFIG_VIRTIO_NET, which guests need for: the network/);
});

test('a bzImage with modules is found in a folder, and its ELF file is taken out', async () => {
  const tree = join(dir, 'out');
  await mkdir(join(tree, 'boot'), { recursive: true });
  await mkdir(join(tree, 'lib/modules', RELEASE), { recursive: true });
  const kernel = { release: RELEASE, config: BOOTABLE_CONFIG };
  await writeFile(join(tree, 'boot', `vmlinuz-${RELEASE}`), fakeBzImage(kernel));
  const blk = 'kernel/drivers/block/virtio_blk.ko';
  await makeModules(join(tree, 'lib/modules', RELEASE), {
    listed: { [blk]: [] },
    builtin: BUILTIN.filter((name) => name !== 'virtio_blk').map((name) => `kernel/${name}.ko`),
  });
  await store().importFiles({ name: 'mine', path: tree }, task());
  const found = await store().get('mine', task());
  assert.deepEqual(await readFile(found.vmlinuxPath ?? ''), fakeVmlinux(kernel));
  assert.ok((await readFile(found.initrdPath)).includes('virtio_blk'));
});

test('what VMs do not boot is refused, and leaves nothing', async () => {
  const name = 'mine';
  const kernel = { release: RELEASE, config: BOOTABLE_CONFIG };
  const imports = (path: string) => store().importFiles({ name, path }, task());
  const lacking = { release: RELEASE, config: BOOTABLE_CONFIG.replace('CONFIG_DM_SNAPSHOT=y\n', '') };
  const cases: readonly [string, Buffer, string, string][] = [
    ['text', Buffer.from('hello'), 'KERNEL_FILE_INVALID', 'it is none'],
    ['cut', fakeBzImage(kernel).subarray(0, 1100), 'KERNEL_FILE_INVALID', 'it is damaged'],
    ['arm', fakeVmlinux(kernel, { machine: 183 }), 'KERNEL_FILE_INVALID', 'Image'],
    ['no-pvh', fakeVmlinux(kernel, { hasPvh: false }), 'KERNEL_OPTIONS_MISSING', 'CONFIG_PVH'],
    ['lacking', fakeBzImage(lacking), 'KERNEL_OPTIONS_MISSING', 'CONFIG_DM_SNAPSHOT (the drives)'],
    ['unknown', fakeImage({ release: RELEASE }), 'KERNEL_MODULES_MISSING', 'modules.dep'],
  ];
  for (const [file, content, code, text] of cases) {
    await assert.rejects(imports(await put(file, content)), has(code, text), file);
  }
  await assert.rejects(imports(join(dir, 'none')), has('KERNEL_FILE_INVALID', 'does not exist'));
  await assert.rejects(imports(dir), has('KERNEL_FILE_INVALID', 'it has no file'));
  assert.deepEqual(await store().list(), []);
});

test('a name belongs to one kernel until that is deleted, which a VM prevents', async () => {
  const path = await put('Image', fakeImage({ release: RELEASE, config: BOOTABLE_CONFIG }));
  const imports = (name: string) => store().importFiles({ name, path }, task());
  assert.equal((await imports('mine')).arch, 'arm64');
  await assert.rejects(imports('mine'), has('KERNEL_EXISTS'));
  await assert.rejects(imports('../mine'), has('KERNEL_NAME_INVALID'));
  await store().retainOnly(new Set(), { ...task(), defaultsOf: new Set() });
  assert.equal((await store().list()).length, 1, 'the user keeps it');
  const vmDir = join(dir, 'vm');
  await mkdir(vmDir);
  await store().hold('mine', vmDir, task());
  await assert.rejects(store().delete('mine', task()), has('KERNEL_IN_USE'));
  await rm(vmDir, { recursive: true });
  await store().delete('mine', task());
  await assert.rejects(store().delete('mine', task()), has('KERNEL_NOT_FOUND'));
  await imports('mine');
});

test("a kernel of the user's own is never a default", async () => {
  const path = await put('Image', fakeImage({ release: RELEASE, config: BOOTABLE_CONFIG }));
  await store().importFiles({ name: 'mine', path }, task());
  await assert.rejects(store().getDefault('arm64', task()), /tests fetch no kernel/);
});
