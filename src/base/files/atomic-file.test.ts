import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hookSteps } from '../../../test/support/steps/hooks.ts';
import { syncTree, writeFileAtomic } from './atomic-file.ts';

let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'atomic-'));
});

after(() => rm(dir, { recursive: true }));

test('the new content replaces the old, is private by default, and nothing else is left', async () => {
  const path = join(dir, 'file');
  await writeFile(path, 'old and longer');
  await chmod(path, 0o644);
  await writeFileAtomic(path, 'new');
  assert.equal(await readFile(path, 'utf8'), 'new');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await writeFileAtomic(path, Buffer.from([0, 255]), { mode: 0o400 });
  assert.deepEqual([...(await readFile(path))], [0, 255]);
  assert.equal((await stat(path)).mode & 0o777, 0o400);
  assert.deepEqual(await readdir(dir), ['file']);
});

test('a write that fails leaves the old content and no temporary file', async () => {
  const path = join(dir, 'folder');
  await mkdir(join(path, 'full'), { recursive: true });
  await assert.rejects(writeFileAtomic(path, 'x'));
  await assert.rejects(writeFileAtomic(join(dir, 'no', 'file'), 'x'), { code: 'ENOENT' });
  assert.deepEqual(
    (await readdir(dir)).filter((name) => name.includes('.tmp')),
    [],
  );
});

test('syncTree() syncs every file and folder, and ignores links', async () => {
  const tree = join(dir, 'tree');
  await mkdir(join(tree, 'a', 'b'), { recursive: true });
  for (const name of ['one', 'a/two', 'a/b/three']) await writeFile(join(tree, name), name);
  await symlink('/nowhere', join(tree, 'link'));
  const steps: string[] = [];
  await hookSteps((what) => steps.push(what));
  await syncTree(tree);
  assert.deepEqual(steps, new Array(6).fill('sync'));
});
