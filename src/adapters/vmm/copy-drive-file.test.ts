import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as later } from 'node:timers/promises';
import { soon } from '../../../test/support/soon.ts';
import { neverAborts } from '../../base/abort.ts';
import { copyDriveFile } from './copy-drive-file.ts';

const signal = neverAborts();
const MIB = 2 ** 20;

let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'copy-'));
});

after(async () => {
  await rm(dir, { recursive: true, force: true });
});

test('a copy has the bytes and the size of its source, and holes in place of zeros', async () => {
  for (const sizeBytes of [3 * MIB + 5, 41 * MIB + 5]) {
    const [source, target] = [join(dir, `source-${sizeBytes}`), join(dir, `target-${sizeBytes}`)];
    await sparseFile(source, sizeBytes);
    await copyDriveFile(source, target, { signal });
    assert.deepEqual(await readFile(target), await readFile(source));
    assert.ok((await stat(target)).blocks * 512 < 14 * MIB);
    assert.equal((await stat(target)).mode & 0o777, 0o600);
  }
});

test('a long copy stops soon after an abort, and leaves nothing', async () => {
  const [source, target] = [join(dir, 'long'), join(dir, 'half')];
  await truncate(await made(source), 64 * 2 ** 30);
  const controller = new AbortController();
  const copying = copyDriveFile(source, target, { signal: controller.signal });
  copying.catch(() => {});
  // On a file system that shares blocks, the copy ends at once.
  const isQuick = await Promise.race([copying.then(() => true), later(100, false)]);
  if (isQuick) return;
  controller.abort(new Error('enough'));
  await soon(2_000, assert.rejects(copying, /enough/));
  assert.equal(existsSync(target), false);
});

test('an existing target is not changed, whether or not the source exists', async () => {
  const target = join(dir, 'kept');
  await writeFile(target, 'kept');
  const source = await made(join(dir, 'small'));
  await assert.rejects(copyDriveFile(source, target, { signal }), { code: 'EEXIST' });
  await truncate(source, 64 * MIB);
  await assert.rejects(copyDriveFile(source, target, { signal }), { code: 'EEXIST' });
  await assert.rejects(copyDriveFile(join(dir, 'missing'), target, { signal }), { code: 'ENOENT' });
  assert.equal(await readFile(target, 'utf8'), 'kept');
});

async function made(path: string): Promise<string> {
  await writeFile(path, '', { mode: 0o600 });
  return path;
}

/** Some bytes at the beginning, in the middle of a chunk, and at the end. */
async function sparseFile(path: string, sizeBytes: number): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.truncate(sizeBytes);
  for (const at of [0, Math.floor(sizeBytes / 2), sizeBytes - 7]) await file.write('content', at);
}
