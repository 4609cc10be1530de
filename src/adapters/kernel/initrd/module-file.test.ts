import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { fakeElf } from '../../../../test/support/fakes/fake-modules.ts';
import { isAppError } from '../../../base/errors.ts';
import { readModuleFile } from './module-file.ts';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'modules-'));
});
after(() => rm(dir, { recursive: true }));

async function file(name: string, content: Uint8Array): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content);
  return path;
}

test('readModuleFile() unpacks gzip and zstd, and reads plain modules', async () => {
  const elf = fakeElf('one');
  for (const path of [
    await file('plain.ko', elf),
    await file('a.ko.gz', gzipSync(elf)),
    await file('a.ko.zst', zstdCompressSync(elf)),
  ]) {
    assert.deepEqual(await readModuleFile(path), elf, path);
  }
});

test('readModuleFile() refuses xz and says what to do', async () => {
  await assert.rejects(
    readModuleFile(await file('a.ko.xz', new Uint8Array())),
    (error) => isAppError(error, 'KERNEL_MODULES_COMPRESSED') && /unxz/.test(error.hint ?? ''),
  );
});

test('readModuleFile() refuses an incomplete or damaged module', async () => {
  const elf = fakeElf('one');
  const half = elf.length / 2;
  // Of two zstd frames, Node 24 unpacks only the first, without an error.
  const frames = Buffer.concat([
    zstdCompressSync(elf.subarray(0, half)),
    zstdCompressSync(elf.subarray(half)),
  ]);
  for (const path of [
    await file('empty.ko', new Uint8Array()),
    await file('text.ko', Buffer.alloc(200, 'x')),
    await file('half.ko', elf.subarray(0, half)),
    await file('half.ko.gz', gzipSync(elf).subarray(0, -12)),
    await file('no.ko.gz', elf),
    await file('no.ko.zst', elf),
    await file('frames.ko.zst', frames),
  ]) {
    await assert.rejects(readModuleFile(path), (error) => isAppError(error, 'KERNEL_MODULES_DAMAGED'), path);
  }
});
