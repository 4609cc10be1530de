import assert from 'node:assert/strict';
import { mkdir, mkdtemp, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { exec } from '../process/exec.ts';
import { toolEnv } from '../process/programs.ts';
import { imageSize, packExt4, parseTree } from './ext4-image.ts';

const MIB = 2 ** 20;

test('imageSize() counts a file with several hard links once', () => {
  const file = { type: 'f', sizeBytes: 100 * MIB, inode: '7' };
  const options = { freeBytes: 0, journalMib: 0 };
  assert.equal(imageSize([file, file], options), imageSize([file], options));
});

test('imageSize() grows when there are more files than inodes at the default density', () => {
  const entries = Array.from({ length: 100_000 }, (_, i) => ({ type: 'f', sizeBytes: 1, inode: String(i) }));
  assert.ok(imageSize(entries, { freeBytes: 0, journalMib: 0 }) >= 100_000 * 16 * 1024);
});

test('parseTree() parses the output of find', () => {
  assert.deepEqual(parseTree('f 12 34\nd 4096 1\n'), [
    { type: 'f', sizeBytes: 12, inode: '34' },
    { type: 'd', sizeBytes: 4096, inode: '1' },
  ]);
});

test('packExt4() creates a clean, sparse file system with the files and the free space', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'ext4-'));
  const treeDir = join(dir, 'tree');
  const imagePath = join(dir, 'image');
  await mkdir(join(treeDir, 'folder'), { recursive: true });
  await writeFile(join(treeDir, 'folder', 'file'), 'hello');
  await symlink('file', join(treeDir, 'folder', 'link'));
  const env = toolEnv({});
  const signal = AbortSignal.timeout(60_000);
  // As uid 0 no subordinate ids are needed, but only root may create namespaces; the options are the same for
  // all users.
  const uid = process.getuid?.() ?? 0;
  const request = { treeDir, imagePath, label: 'test', freeBytes: 30 * MIB, journalMib: 4, uid, env };
  const { sizeBytes } = await packExt4(request, { signal });
  const { size, blocks } = await stat(imagePath);
  assert.equal(size, sizeBytes);
  assert.ok(blocks * 512 < 2 * MIB, `takes ${blocks * 512} bytes`);
  await exec(['e2fsck', '-f', '-n', imagePath], { env, signal });
  const shown = await exec(['debugfs', '-R', 'cat /folder/file', imagePath], { env, signal });
  assert.equal(shown.stdout.toString(), 'hello');
  const facts = (await exec(['dumpe2fs', '-h', imagePath], { env, signal })).stdout.toString();
  const free = Number(/Free blocks:\s+(\d+)/.exec(facts)?.[1]) * 4096;
  assert.ok(free >= 30 * MIB, `has ${free} bytes free`);
});
