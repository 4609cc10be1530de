import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { linkFile, linkTree } from './link-tree.ts';

let dir: string;

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'link-tree-'));
});

after(() => rmSync(dir, { recursive: true }));

test('linkTree() shares files of any depth, keeps empty folders, and adds to what is there', async () => {
  const from = join(dir, 'from');
  mkdirSync(join(from, 'a/b'), { recursive: true });
  mkdirSync(join(from, 'empty'));
  writeFileSync(join(from, 'top'), 'top');
  writeFileSync(join(from, 'a/b/deep'), 'deep');
  const to = join(dir, 'to');
  mkdirSync(join(to, 'a'), { recursive: true });
  writeFileSync(join(to, 'a/own'), 'own');
  writeFileSync(join(to, 'top'), 'stays');
  await linkTree(from, to);
  assert.equal(statSync(join(to, 'a/b/deep')).ino, statSync(join(from, 'a/b/deep')).ino);
  assert.equal(readFileSync(join(to, 'a/own'), 'utf8'), 'own');
  assert.equal(readFileSync(join(to, 'top'), 'utf8'), 'stays');
  assert.ok(statSync(join(to, 'empty')).isDirectory());
});

test('linkTree() and linkFile() do nothing when there is nothing', async () => {
  await linkTree(join(dir, 'nothing'), join(dir, 'none'));
  await linkFile(join(dir, 'nothing'), join(dir, 'none'));
  assert.ok(!existsSync(join(dir, 'none')));
});

test('linkTree() fails when it cannot read the folder', async () => {
  const file = join(dir, 'file');
  writeFileSync(file, '');
  await assert.rejects(linkTree(file, join(dir, 'of-file')), { code: 'ENOTDIR' });
});

test('linkFile() copies to another file system', async (t) => {
  const far = mkdtempSync('/dev/shm/link-tree-');
  try {
    if (statSync(far).dev === statSync(dir).dev) return t.skip('/dev/shm is on the file system of TMPDIR');
    const file = join(dir, 'far');
    writeFileSync(file, 'content');
    await linkFile(file, join(far, 'copy'));
    assert.equal(readFileSync(join(far, 'copy'), 'utf8'), 'content');
  } finally {
    rmSync(far, { recursive: true });
  }
});
