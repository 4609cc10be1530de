import assert from 'node:assert/strict';

/** An entry of an archive. */
export interface ReadEntry {
  path: string;
  mode: number;
  uid: number;
  mtime: number;
  rdev: string;
  content: Buffer;
}

/** Reads a "newc" archive; written from the description of the format, independently of the writer. */
export function readCpio(archive: Buffer): ReadEntry[] {
  const entries: ReadEntry[] = [];
  for (let at = 0; ; ) {
    assert.equal(archive.toString('latin1', at, at + 6), '070701');
    const number = (index: number) =>
      Number.parseInt(archive.toString('latin1', at + 6 + 8 * index, at + 14 + 8 * index), 16);
    const nameEnd = at + 110 + number(11);
    const path = archive.toString('utf8', at + 110, nameEnd - 1);
    assert.equal(archive[nameEnd - 1], 0);
    if (path === 'TRAILER!!!') return entries;
    const start = Math.ceil(nameEnd / 4) * 4;
    const content = archive.subarray(start, start + number(6));
    const rdev = `${number(9)}:${number(10)}`;
    entries.push({ path, mode: number(1), uid: number(2) + number(3), mtime: number(5), rdev, content });
    at = Math.ceil((start + number(6)) / 4) * 4;
  }
}
