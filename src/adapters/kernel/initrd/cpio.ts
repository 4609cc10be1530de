import { invariant } from '../../../base/errors.ts';

/*
 * A "newc" archive, the form the kernel unpacks (Documentation/driver-api/early-userspace/buffer-format.rst):
 *
 *   entry     "070701", 13 numbers of 8 hex digits, name, NUL, padding to 4, content, padding to 4
 *   numbers   ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
 *   end       an entry named "TRAILER!!!"
 */
const MAGIC = '070701';
const HEADER_BYTES = 110;
const TRAILER = 'TRAILER!!!';
const ARCHIVE_ALIGN_BYTES = 512;

const TYPE_BITS = { file: 0o100000, directory: 0o040000, 'character device': 0o020000 } as const;

/** An entry of an archive; all entries belong to root and date from 1970. */
export type CpioEntry =
  | { type: 'file'; path: string; mode: number; content: Uint8Array }
  | { type: 'directory'; path: string; mode: number }
  | { type: 'character device'; path: string; mode: number; major: number; minor: number };

/**
 * Writes an archive. The same entries, in any order, produce the same bytes. Paths are relative. Every folder
 * in a path must be an entry too, because the kernel does not create missing folders.
 */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const sorted = entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  checkPaths(sorted);
  const parts = sorted.flatMap((entry, index) => encodeEntry(entry, index + 1));
  parts.push(...encode(TRAILER, { ino: 0, mode: 0, nlink: 1, major: 0, minor: 0 }, new Uint8Array()));
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  parts.push(padding(bytes, ARCHIVE_ALIGN_BYTES));
  return Buffer.concat(parts);
}

function checkPaths(sorted: readonly CpioEntry[]): void {
  const directories = new Set(['']);
  let before: string | undefined;
  for (const { path, type } of sorted) {
    const steps = path.split('/');
    const isPlain = steps.every((step) => step !== '' && step !== '.' && step !== '..');
    invariant(
      isPlain && !path.includes('\0') && path !== TRAILER,
      `cannot archive the name ${JSON.stringify(path)}`,
    );
    invariant(path !== before, `cannot archive ${JSON.stringify(path)} twice`);
    invariant(directories.has(steps.slice(0, -1).join('/')), `no folder entry for ${JSON.stringify(path)}`);
    if (type === 'directory') directories.add(path);
    before = path;
  }
}

function encodeEntry(entry: CpioEntry, ino: number): Uint8Array[] {
  return encode(
    entry.path,
    {
      ino,
      mode: TYPE_BITS[entry.type] | entry.mode,
      nlink: entry.type === 'directory' ? 2 : 1,
      major: entry.type === 'character device' ? entry.major : 0,
      minor: entry.type === 'character device' ? entry.minor : 0,
    },
    entry.type === 'file' ? entry.content : new Uint8Array(),
  );
}

function encode(
  path: string,
  inode: { ino: number; mode: number; nlink: number; major: number; minor: number },
  content: Uint8Array,
): Uint8Array[] {
  const name = Buffer.from(`${path}\0`);
  const { ino, mode, nlink, major, minor } = inode;
  const numbers = [ino, mode, 0, 0, nlink, 0, content.length, 0, 0, major, minor, name.length, 0];
  const header = Buffer.from(MAGIC + numbers.map(hex).join(''), 'latin1');
  return [header, name, padding(HEADER_BYTES + name.length, 4), content, padding(content.length, 4)];
}

function hex(value: number): string {
  invariant(Number.isInteger(value) && value >= 0 && value <= 0xffffffff, `${value} has no 8 hex digits`);
  return value.toString(16).padStart(8, '0');
}

function padding(length: number, to: number): Uint8Array {
  return new Uint8Array((to - (length % to)) % to);
}
