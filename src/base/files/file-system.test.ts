import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { mountFuse, whyNoFuse } from '../../../test/support/fuse.ts';
import { kindOfType, probeFileSystem } from './file-system.ts';

const skip = whyNoFuse();

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'fs-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

test('a file system of this machine has everything that VMs need, and the test leaves nothing', async () => {
  assert.deepEqual(await probeFileSystem(dir), {
    name: 'local',
    isRemote: false,
    missing: [],
    isSparse: true,
  });
  assert.deepEqual(await readdir(dir), []);
});

test('FUSE is named, and a FUSE file system that passes everything on has everything that VMs need', {
  skip,
}, async () => {
  await using mount = await mountFuse({ under: join(dir, 'u'), path: join(dir, 'm') });
  assert.deepEqual(await probeFileSystem(mount.path), {
    name: 'FUSE',
    isRemote: false,
    missing: [],
    isSparse: true,
  });
  assert.deepEqual(await readdir(mount.path), []);
});

test('a file system without permissions, or without renames, is detected', { skip }, async () => {
  for (const [option, missing] of [
    ['--perms=0755', ['keep permissions']],
    ['--rename-deny', ['replace a file that is open', 'keep a file that is deleted while it is open']],
  ] as const) {
    await using mount = await mountFuse({ under: join(dir, 'u'), path: join(dir, 'm') }, [option]);
    assert.deepEqual((await probeFileSystem(mount.path)).missing, missing, option);
  }
});

test('remote file systems are recognised by their magic numbers, signed or not', () => {
  for (const type of [0x6969, 0xff534d42, 0xff534d42 | 0, 0x01021997]) {
    assert.equal(kindOfType(type).isRemote, true, String(type));
  }
  assert.deepEqual(kindOfType(0xef53), { name: 'local', isRemote: false });
});
