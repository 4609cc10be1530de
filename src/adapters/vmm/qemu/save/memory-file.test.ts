import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryFile } from './memory-file.ts';

const PAGE = 4096;
const MIB = 2 ** 20;

test('the last version of a page counts', () => {
  const page = fc.record({ index: fc.nat({ max: 7 }), fill: fc.nat({ max: 2 }) });
  fc.assert(
    fc.property(fc.array(page, { maxLength: 60 }), (all) => {
      using lab = openLab(8 * PAGE);
      const expected = Buffer.alloc(8 * PAGE);
      const pages = new MemoryFile(lab.fd, expected.length);
      const buffer = Buffer.alloc(PAGE);
      for (const { index, fill } of all) {
        expected.fill(fill, index * PAGE, (index + 1) * PAGE);
        if (fill === 0) pages.zeros(index * PAGE, PAGE);
        else pages.page(index * PAGE, buffer.fill(fill));
        // The reader of the stream reuses the buffer.
        buffer.fill(0xee);
      }
      pages.flush();
      assert.ok(readFileSync(lab.path).equals(expected));
    }),
  );
});

test('zeros take no space', () => {
  using lab = openLab(16 * MIB);
  const pages = new MemoryFile(lab.fd, 16 * MIB);
  const fillOf = (offset: number): number => (offset % (2 * MIB) < MIB ? 0 : 1 + ((offset / PAGE) % 250));
  for (let offset = 0; offset < 16 * MIB; offset += PAGE) {
    if (fillOf(offset) === 0) pages.zeros(offset, PAGE);
    else pages.page(offset, Buffer.alloc(PAGE, fillOf(offset)));
  }
  pages.flush();
  const written = readFileSync(lab.path);
  for (let offset = 0; offset < 16 * MIB; offset += PAGE) {
    assert.equal(written[offset + 17], fillOf(offset));
  }
  assert.ok(statSync(lab.path).blocks * 512 <= 8 * MIB + 64 * PAGE);
});

test('an error while the file is written is reported', () => {
  using lab = openLab(PAGE);
  const pages = new MemoryFile(openSync(lab.path, 'r'), PAGE);
  pages.page(0, Buffer.alloc(PAGE, 1));
  assert.throws(() => pages.flush(), { code: 'EBADF' });
});

function openLab(sizeBytes: number): Disposable & { path: string; fd: number } {
  const dir = mkdtempSync(join(tmpdir(), 'memory-'));
  const path = join(dir, 'memory');
  const fd = openSync(path, 'wx');
  truncateSync(path, sizeBytes);
  return {
    path,
    fd,
    [Symbol.dispose]() {
      closeSync(fd);
      rmSync(dir, { recursive: true });
    },
  };
}
