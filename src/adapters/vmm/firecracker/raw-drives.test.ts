import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import { systemPath } from '../../../base/process/programs.ts';
import type { DriveRequest, DriveSpec } from '../../../core/ports/vmm/spec.ts';
import { growRaw, prepareRawDrives, prepareRawWorkDisk, readRaw } from './raw-drives.ts';

const MIB = 2 ** 20;
const signal = neverAborts();
const tools = { env: process.env, signal };
let dir: string;
let request: DriveRequest;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'raw-'));
  const [rootfsPath, modulesPath] = [join(dir, 'rootfs'), join(dir, 'modules')];
  for (const path of [rootfsPath, modulesPath]) await writeFile(path, Buffer.alloc(4096));
  request = { dir, rootfsPath, modulesPath, overlayBytes: 64 * MIB, diskSizeBytes: 32 * MIB };
});
afterEach(() => rm(dir, { recursive: true }));

function find(drives: readonly DriveSpec[], serial: DriveSpec['serial']): DriveSpec {
  const found = drives.find((drive) => drive.serial === serial);
  assert.ok(found);
  return found;
}

test('new drives are sparse, in the order of the guest, and the work disk has an empty ext4', async () => {
  const drives = await prepareRawDrives(request, tools);
  assert.deepEqual(
    drives.map(({ serial, format, isReadOnly }) => [serial, format, isReadOnly]),
    [
      ['root', 'raw', true],
      ['overlay', 'raw', false],
      ['work', 'raw', false],
      ['modules', 'raw', true],
    ],
  );
  const [overlay, work] = [find(drives, 'overlay'), find(drives, 'work')];
  const found = await stat(overlay.pathOnHost);
  assert.deepEqual([found.size, found.blocks, found.mode & 0o777], [64 * MIB, 0, 0o600]);
  assert.equal((await stat(work.pathOnHost)).size, 32 * MIB);
  const env = { ...process.env, PATH: systemPath(process.env) };
  execFileSync('e2fsck', ['-fn', work.pathOnHost], { env, stdio: 'pipe' });
});

test('a work disk over a base begins with its content, and can be written', async () => {
  const base = { pathOnHost: join(dir, 'base'), sizeBytes: MIB };
  await writeFile(base.pathOnHost, Buffer.alloc(MIB, 'base'), { mode: 0o400 });
  const work = await prepareRawWorkDisk({ dir, diskSizeBytes: 32 * MIB, workBase: base }, tools);
  assert.equal(work.base, undefined);
  const content = await readFile(work.pathOnHost);
  assert.equal(content.length, 32 * MIB);
  assert.equal(content.toString('latin1', MIB - 4, MIB + 1), 'base\0');
  await (await open(work.pathOnHost, 'r+')).close();
  await rm(work.pathOnHost);
  const tooSmall = { dir, diskSizeBytes: 16 * MIB, workBase: { ...base, sizeBytes: 17 * MIB } };
  await assert.rejects(prepareRawWorkDisk(tooSmall, tools), { code: 'VMM_DRIVE_INVALID' });
});

test('drives are copied, read and enlarged', async () => {
  const drives = await prepareRawDrives(request, tools);
  const overlay = find(drives, 'overlay');
  await writeFile(overlay.pathOnHost, 'written', { flag: 'r+' });
  const copyDir = join(dir, 'copy');
  execFileSync('mkdir', [copyDir]);
  const copies = await prepareRawDrives({ ...request, dir: copyDir, copyOf: drives }, tools);
  const target = join(dir, 'read');
  await readRaw(find(copies, 'overlay'), { target, signal });
  const content = await readFile(target);
  assert.deepEqual([content.length, content.toString('latin1', 0, 8)], [64 * MIB, 'written\0']);
  const grown = await growRaw(overlay, 96 * MIB);
  assert.deepEqual(grown, { ...overlay, sizeBytes: 96 * MIB });
  assert.deepEqual(await growRaw(overlay, 96 * MIB), grown, 'again, as after a crash');
  assert.equal((await readFile(overlay.pathOnHost)).toString('latin1', 0, 7), 'written');
});

test('what cannot be read or enlarged is refused', async () => {
  const overlay = find(await prepareRawDrives(request, tools), 'overlay');
  for (const size of [MIB, 64 * MIB + 1, Number.NaN]) {
    await assert.rejects(growRaw(overlay, size), { code: 'VMM_DRIVE_INVALID' }, `${size}`);
  }
  for (const wrong of [
    { ...overlay, isReadOnly: true },
    { ...overlay, format: 'qcow2' },
    { ...overlay, pathOnHost: join(dir, 'none') },
    { ...overlay, sizeBytes: 32 * MIB },
  ] satisfies DriveSpec[]) {
    await assert.rejects(growRaw(wrong, 96 * MIB), { code: 'VMM_DRIVE_INVALID' });
  }
  const target = join(dir, 'read');
  for (const wrong of [
    { ...overlay, base: { pathOnHost: overlay.pathOnHost, sizeBytes: overlay.sizeBytes } },
    { ...overlay, format: 'qcow2' },
    { ...overlay, pathOnHost: join(dir, 'none') },
  ] satisfies DriveSpec[]) {
    await assert.rejects(readRaw(wrong, { target, signal }), { code: 'VMM_DRIVE_INVALID' });
  }
});

test('existing drives are never overwritten, and nothing new is left after a failure', async () => {
  await prepareRawDrives(request, tools);
  const before = (await readdir(dir)).sort();
  await assert.rejects(prepareRawDrives(request, tools), { code: 'EEXIST' });
  assert.deepEqual((await readdir(dir)).sort(), before);
  await rm(join(dir, 'overlay.raw'));
  await assert.rejects(prepareRawDrives(request, tools), { code: 'EEXIST' });
  assert.deepEqual(
    (await readdir(dir)).sort(),
    before.filter((name) => name !== 'overlay.raw'),
  );
  await rm(join(dir, 'work.raw'));
  const without = { env: { PATH: '/none' }, signal };
  await assert.rejects(prepareRawDrives({ ...request, diskSizeBytes: 1 }, without), {
    code: 'VMM_DRIVE_INVALID',
  });
  assert.deepEqual((await readdir(dir)).sort(), ['modules', 'rootfs']);
});
