import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { makeModules } from '../../../../test/support/fakes/fake-modules.ts';
import { readCpio } from '../../../../test/support/read-cpio.ts';
import { isAppError } from '../../../base/errors.ts';
import { buildInitrd } from './build-initrd.ts';

const DEBIAN_LIKE = {
  listed: {
    'kernel/virtio_ring.ko': [],
    'kernel/virtio.ko': ['kernel/virtio_ring.ko'],
    'kernel/virtio_mmio.ko': ['kernel/virtio.ko', 'kernel/virtio_ring.ko'],
    'kernel/virtio_blk.ko': ['kernel/virtio.ko', 'kernel/virtio_ring.ko'],
    'kernel/virtio_console.ko': ['kernel/virtio.ko', 'kernel/virtio_ring.ko'],
    'kernel/virtio-rng.ko': ['kernel/virtio.ko', 'kernel/virtio_ring.ko'],
    'kernel/dm-mod.ko': [],
    'kernel/dm-bufio.ko': ['kernel/dm-mod.ko'],
    'kernel/dm-snapshot.ko': ['kernel/dm-bufio.ko', 'kernel/dm-mod.ko'],
    'kernel/unrelated.ko': [],
  },
  builtin: ['kernel/fs/ext4/ext4.ko', 'kernel/crypto/crc32c_generic.ko'],
};
const ORDER =
  'virtio_ring virtio virtio_mmio virtio_blk dm_mod dm_bufio dm_snapshot virtio_console virtio_rng'.split(
    ' ',
  );

const signal = AbortSignal.timeout(30_000);
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'initramfs-'));
  await writeFile(join(dir, 'agent'), 'the agent');
});
afterEach(() => rm(dir, { recursive: true }));

function build() {
  const source = { agentPath: join(dir, 'agent'), modulesDir: dir, release: '6.1.0-test' };
  return buildInitrd(source, { outPath: join(dir, 'initrd'), signal });
}

test('buildInitrd() packs the agent and the boot modules in load order', async () => {
  await makeModules(dir, DEBIAN_LIKE);
  const made = await build();
  const archive = await readFile(made.path);
  const entries = new Map(readCpio(archive).map((entry) => [entry.path, entry]));
  assert.equal(entries.get('init')?.content.toString(), 'the agent');
  assert.equal(entries.get('init')?.mode, 0o100755);
  assert.equal(entries.get('dev/console')?.rdev, '5:1');
  assert.equal(
    entries.get('modules/order')?.content.toString(),
    ORDER.map((name) => `${name}.ko\n`).join(''),
  );
  const modules = [...entries.keys()].filter((path) => path.endsWith('.ko'));
  assert.deepEqual(modules, ORDER.map((name) => `modules/${name}.ko`).toSorted());
  assert.deepEqual(
    { ...made },
    {
      path: join(dir, 'initrd'),
      sha256: createHash('sha256').update(archive).digest('hex'),
      sizeBytes: archive.length,
      isNew: true,
    },
  );
});

test('buildInitrd() keeps an unchanged file and replaces a changed one', async () => {
  await makeModules(dir, DEBIAN_LIKE);
  const first = await build();
  const { ino } = await stat(first.path);
  assert.deepEqual(await build(), { ...first, isNew: false });
  assert.equal((await stat(first.path)).ino, ino);
  await writeFile(join(dir, 'agent'), 'another agent');
  const second = await build();
  assert.ok(second.isNew && second.sha256 !== first.sha256 && (await stat(first.path)).ino !== ino);
});

test('buildInitrd() names every module that a VM needs and the kernel lacks', async () => {
  await makeModules(dir, { listed: { 'a/virtio_blk.ko': [] }, builtin: ['a/dm-mod.ko'] });
  await assert.rejects(build(), (error) => {
    assert.ok(isAppError(error, 'KERNEL_MODULES_MISSING'));
    assert.match(
      error.message,
      /"6\.1\.0-test": it has no dm_snapshot, ext4, virtio_console, virtio_mmio or virtio_pci$/,
    );
    return true;
  });
});

test('buildInitrd() fails without modules.dep, and without an agent', async () => {
  await assert.rejects(build(), (error) => isAppError(error, 'KERNEL_MODULES_MISSING'));
  await makeModules(dir, DEBIAN_LIKE);
  await rm(join(dir, 'agent'));
  await assert.rejects(build(), { code: 'ENOENT' });
});

test('buildInitrd() leaves nothing after an abort', async () => {
  await makeModules(dir, DEBIAN_LIKE);
  const before = await readdir(dir);
  const source = { agentPath: join(dir, 'agent'), modulesDir: dir, release: '6.1.0-test' };
  await assert.rejects(buildInitrd(source, { outPath: join(dir, 'initrd'), signal: AbortSignal.abort() }), {
    name: 'AbortError',
  });
  assert.deepEqual(await readdir(dir), before);
});
