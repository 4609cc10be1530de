import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { AppError, invariant } from '../../../base/errors.ts';

/** What an index remembers of a file, so that git need not read it: each number is the low 32 bits. */
export interface IndexedStat {
  ctime: number;
  ctimeNs: number;
  mtime: number;
  mtimeNs: number;
  dev: number;
  ino: number;
  uid: number;
  gid: number;
  size: number;
}

/** An entry of an index file. */
interface Entry {
  /** latin1 */
  path: string;
  /** offset of its first byte */
  at: number;
}

/** Bytes of an entry before the name of its object. */
const STAT_BYTES = 40;
const HEADER_BYTES = 12;
/** Flag of an entry with two more bytes of flags. */
const IS_EXTENDED = 0x4000;

/**
 * The stat data of the entries in an index file that git has just written for us (gitformat-index(5)):
 *
 *     "DIRC" version count   4 bytes each
 *     entry                  stat data (40 bytes), object name, flags (2), more flags (2, if the
 *                            flags say so), path NUL; versions 2 and 3 pad it with NULs to a
 *                            multiple of 8 bytes, version 4 precedes the path by how many bytes
 *                            of the previous path it replaces
 *     extensions, checksum
 */
export function readIndexStats(
  index: Buffer,
  { hashBytes }: { hashBytes: number },
): Map<string, IndexedStat> {
  const found = new Map<string, IndexedStat>();
  for (const { path, at } of entriesOf(index, { hashBytes })) {
    const word = (number: number): number => index.readUInt32BE(at + 4 * number);
    found.set(path, {
      ...{ ctime: word(0), ctimeNs: word(1), mtime: word(2), mtimeNs: word(3) },
      ...{ dev: word(4), ino: word(5), uid: word(7), gid: word(8), size: word(9) },
    });
  }
  return found;
}

/** A copy of an index file in which the entries of some paths have other stat data. */
export function withIndexStats(
  index: Buffer,
  stats: ReadonlyMap<string, IndexedStat>,
  { hashBytes }: { hashBytes: number },
): Buffer {
  const changed = Buffer.from(index);
  for (const { path, at } of entriesOf(index, { hashBytes })) {
    const stat = stats.get(path);
    if (!stat) continue;
    const { ctime, ctimeNs, mtime, mtimeNs, dev, ino, uid, gid, size } = stat;
    const words = [ctime, ctimeNs, mtime, mtimeNs, dev, ino, undefined, uid, gid, size];
    for (const [number, word] of words.entries()) {
      if (word !== undefined) changed.writeUInt32BE(word, at + 4 * number);
    }
  }
  const end = changed.length - hashBytes;
  // index.skipHash leaves the checksum empty.
  if (changed.subarray(end).every((byte) => byte === 0)) return changed;
  createHash(hashBytes === 32 ? 'sha256' : 'sha1')
    .update(changed.subarray(0, end))
    .digest()
    .copy(changed, end);
  return changed;
}

/** What an index would remember of a file. */
export function indexedStat(info: BigIntStats): IndexedStat {
  const low = (value: bigint): number => Number(value & 0xffffffffn);
  const billion = 1_000_000_000n;
  return {
    ...{ ctime: low(info.ctimeNs / billion), ctimeNs: low(info.ctimeNs % billion) },
    ...{ mtime: low(info.mtimeNs / billion), mtimeNs: low(info.mtimeNs % billion) },
    ...{
      dev: low(info.dev),
      ino: low(info.ino),
      uid: low(info.uid),
      gid: low(info.gid),
      size: low(info.size),
    },
  };
}

function* entriesOf(index: Buffer, { hashBytes }: { hashBytes: number }): Generator<Entry> {
  invariant(index.length >= HEADER_BYTES + hashBytes, 'git wrote an index without a header');
  invariant(index.toString('latin1', 0, 4) === 'DIRC', 'git wrote an index of another format');
  const version = index.readUInt32BE(4);
  if (version < 2 || version > 4) {
    throw new AppError('WORKSPACE_GIT_FAILED', `Cannot read an index of version ${version}`);
  }
  let at = HEADER_BYTES;
  let path = Buffer.alloc(0);
  for (let left = index.readUInt32BE(8); left > 0; left -= 1) {
    const isExtended = (index.readUInt16BE(at + STAT_BYTES + hashBytes) & IS_EXTENDED) !== 0;
    let from = at + STAT_BYTES + hashBytes + (isExtended ? 4 : 2);
    if (version === 4) {
      const [dropped, next] = readVarint(index, from);
      from = next;
      path = path.subarray(0, path.length - dropped);
    } else path = Buffer.alloc(0);
    const end = index.indexOf(0, from);
    invariant(end >= from, 'git wrote an index with an unfinished entry');
    path = Buffer.concat([path, index.subarray(from, end)]);
    yield { path: path.toString('latin1'), at };
    at = version === 4 ? end + 1 : at + ((end - at + 8) & ~7);
  }
}

/**
 * A number as packs encode offsets, and where it ends: seven bits a byte, each byte but the first plus one.
 */
function readVarint(bytes: Buffer, start: number): [value: number, end: number] {
  let at = start;
  let byte = bytes.readUInt8(at++);
  let value = byte & 0x7f;
  while (byte & 0x80) {
    byte = bytes.readUInt8(at++);
    value = (value + 1) * 128 + (byte & 0x7f);
  }
  return [value, at];
}
