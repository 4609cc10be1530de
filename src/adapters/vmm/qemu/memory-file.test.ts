import assert from 'node:assert/strict';
import { type FileHandle, mkdtemp, open, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryFile } from './memory-file.ts';

const PAGE = 4096;
const MIB = 2 ** 20;

test('the last of several pages counts, whatever is being written meanwhile', async () => {
  const page = fc.record({ index: fc.nat({ max: 7 }), fill: fc.nat({ max: 2 }), isPushed: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(page, { maxLength: 60 }), async (all) => {
      await using lab = await openLab();
      const expected = Buffer.alloc(8 * PAGE);
      const pages = await lab.create(expected.length);
      const buffer = Buffer.alloc(PAGE);
      for (const { index, fill, isPushed } of all) {
        expected.fill(fill, index * PAGE, (index + 1) * PAGE);
        if (fill === 0) pages.zeros(index * PAGE, PAGE);
        else pages.page(index * PAGE, buffer.fill(fill));
        // It is used again by whoever reads the stream.
        buffer.fill(0xee);
        if (isPushed) await pages.writeSome();
      }
      await pages.finish();
      assert.ok((await readFile(lab.path)).equals(expected));
    }),
    { numRuns: 50 },
  );
});

test('what is zero takes no room, and all of it may come at once', async () => {
  await using lab = await openLab();
  const pages = await lab.create(16 * MIB);
  for (let offset = 0; offset < 16 * MIB; offset += PAGE) {
    if (offset % (2 * MIB) < MIB) pages.zeros(offset, PAGE);
    else pages.page(offset, Buffer.alloc(PAGE, 1 + ((offset / PAGE) % 250)));
  }
  await pages.finish();
  const written = await readFile(lab.path);
  for (let offset = 0; offset < 16 * MIB; offset += PAGE) {
    assert.equal(written[offset + 17], offset % (2 * MIB) < MIB ? 0 : 1 + ((offset / PAGE) % 250));
  }
  assert.ok((await stat(lab.path)).blocks * 512 <= 8 * MIB + 64 * PAGE);
});

test('a file that cannot be written ends it', async () => {
  await using lab = await openLab();
  const pages = await lab.create(4 * MIB);
  await lab.file.close();
  const fill = async (): Promise<void> => {
    for (let offset = 0; offset < 4 * MIB; offset += PAGE) {
      pages.page(offset, Buffer.alloc(PAGE, 1));
      await pages.writeSome();
    }
    await pages.finish();
  };
  await assert.rejects(fill(), { code: 'EBADF' });
});

interface Lab extends AsyncDisposable {
  path: string;
  file: FileHandle;
  create(sizeBytes: number): Promise<MemoryFile>;
}

async function openLab(): Promise<Lab> {
  const dir = await mkdtemp(join(tmpdir(), 'memory-'));
  const path = join(dir, 'memory');
  const file = await open(path, 'wx');
  return {
    path,
    file,
    async create(sizeBytes) {
      await file.truncate(sizeBytes);
      return new MemoryFile(file, sizeBytes);
    },
    async [Symbol.asyncDispose]() {
      await file.close();
      await rm(dir, { recursive: true });
    },
  };
}
