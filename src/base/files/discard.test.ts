import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { mountFuse, whyNoFuse } from '../../../test/support/fuse.ts';
import { discardTree, sweepDiscarded } from './discard.ts';
import { openStaging, sweepStaging } from './staging.ts';

const skip = whyNoFuse();
const removeTree = (path: string): Promise<void> => rm(path, { recursive: true, force: true });

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'discard-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

async function made(parent: string): Promise<string> {
  const path = join(parent, 'tree');
  await mkdir(join(path, 'deep'), { recursive: true });
  await writeFile(join(path, 'deep', 'file'), 'content');
  return path;
}

test('a tree is removed; a second call does nothing', async () => {
  const path = await made(dir);
  await discardTree(path);
  await discardTree(path);
  assert.deepEqual(await readdir(dir), []);
});

test('on FUSE a tree with an open file is renamed at once, and removed when the file is closed', {
  skip,
}, async () => {
  await using mount = await mountFuse({ under: join(dir, 'u'), path: join(dir, 'm') });
  const path = await made(mount.path);
  const file = await open(join(path, 'deep', 'file'));
  await assert.rejects(rm(path, { recursive: true }), { code: 'ENOTEMPTY' }, 'as on NFS');
  await discardTree(path);
  assert.equal(existsSync(path), false);
  assert.equal((await readdir(mount.path)).length, 1);
  await sweepDiscarded(mount.path);
  assert.equal((await readdir(mount.path)).length, 1, 'it is still open');
  await file.close();
  await sweepDiscarded(mount.path);
  assert.deepEqual(await readdir(mount.path), []);
});

test('on FUSE an unfinished folder with an open file is left for a later sweep, without a failure', {
  skip,
}, async () => {
  await using mount = await mountFuse({ under: join(dir, 'u'), path: join(dir, 'm') });
  const area = join(mount.path, 'area');
  const staging = await openStaging(area, { removeTree });
  const file = await open(join(staging.dir, 'file'), 'w');
  await staging[Symbol.asyncDispose]();
  await sweepStaging(area, { removeTree });
  assert.equal(existsSync(staging.dir), true);
  await file.close();
  await sweepStaging(area, { removeTree });
  assert.equal(existsSync(staging.dir), false);
});
