import { BlockReader, tarDamaged } from './block-reader.ts';
import {
  BLOCK_BYTES,
  checksumOf,
  FIELD,
  paddingOf,
  type TarEntry,
  type TarKind,
  TYPE_OF_KIND,
} from './header.ts';
import { type PaxRecords, parsePax } from './pax.ts';

/** Longest header extension that is read; a name has at most 4096 bytes on Linux. */
const MAX_EXTENSION_BYTES = 64 * 1024;

const KIND_OF_TYPE: ReadonlyMap<string, TarKind> = new Map([
  ...(Object.entries(TYPE_OF_KIND) as [TarKind, string][]).map(([kind, type]) => [type, kind] as const),
  // Before POSIX, a file had a NUL here.
  ['\0', 'file'],
]);

/** An entry and its content. Read the content before requesting the next entry, or it is skipped. */
export interface TarItem {
  entry: TarEntry;
  content: AsyncGenerator<Buffer, void, undefined>;
}

/**
 * Reads an untrusted tar archive: ustar, PAX and GNU long names; files, folders, links and fifos. Names are
 * as in the archive; a caller that creates files must check them.
 *
 * @throws {AppError} TAR_DAMAGED while iterating: for anything else, including devices, maps of holes, and an
 * archive without its end mark.
 */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarItem, void, undefined> {
  const blocks = new BlockReader(source[Symbol.asyncIterator]());
  let extension: PaxRecords = {};
  for (;;) {
    const header = await blocks.exactly(BLOCK_BYTES);
    if (header.every((byte) => byte === 0)) {
      const second = await blocks.exactly(BLOCK_BYTES);
      if (!second.every((byte) => byte === 0)) throw tarDamaged('its end mark is truncated');
      await blocks.drain();
      return;
    }
    checkSum(header);
    const type = header.toString('latin1', FIELD.type[0], FIELD.type[0] + 1);
    const sizeBytes = extension.size ?? numberAt(header, FIELD.size);
    if ('xgLK'.includes(type)) {
      if (sizeBytes > MAX_EXTENSION_BYTES) throw tarDamaged('a header is too long');
      const text = await blocks.exactly(sizeBytes);
      await blocks.exactly(paddingOf(sizeBytes));
      extension = { ...extension, ...extensionOf(type, text) };
      continue;
    }
    const entry = entryOf(header, { type, sizeBytes, extension });
    extension = {};
    const content = contentOf(blocks, entry.sizeBytes);
    yield { entry, content };
    // What the caller has not read.
    for await (const _ of content);
  }
}

function checkSum(header: Buffer): void {
  if (numberAt(header, FIELD.checksum) !== checksumOf(header))
    throw tarDamaged('the checksum of a header is wrong');
}

function extensionOf(type: string, text: Buffer): PaxRecords {
  switch (type) {
    case 'x':
      return parsePax(text);
    case 'g':
      if (Object.keys(parsePax(text)).length > 0) throw tarDamaged('it has a global header');
      return {};
    case 'L':
      return { path: untilNul(text) };
    default:
      return { linkpath: untilNul(text) };
  }
}

function entryOf(
  header: Buffer,
  { type, sizeBytes, extension }: { type: string; sizeBytes: number; extension: PaxRecords },
): TarEntry {
  const kind = KIND_OF_TYPE.get(type);
  if (!kind) throw tarDamaged(`it has an entry of type ${JSON.stringify(type)}`);
  const name = extension.path ?? plainName(header);
  if (name.length === 0 || name.includes(0)) throw tarDamaged('an entry has no name');
  const isFolder = kind === 'file' && name.at(-1) === SLASH;
  if ((kind !== 'file' || isFolder) && sizeBytes > 0)
    throw tarDamaged('an entry that is not a file has content');
  return {
    kind: isFolder ? 'directory' : kind,
    name,
    linkName: extension.linkpath ?? untilNul(fieldOf(header, FIELD.linkName)),
    mode: numberAt(header, FIELD.mode) & 0o7777,
    sizeBytes,
    mtimeMs: extension.mtimeMs ?? numberAt(header, FIELD.mtime) * 1000,
    ...(extension.isSparse && kind === 'file' && !isFolder ? { isSparse: true } : {}),
  };
}

const SLASH = 0x2f;

async function* contentOf(blocks: BlockReader, sizeBytes: number): AsyncGenerator<Buffer, void, undefined> {
  let left = sizeBytes;
  try {
    while (left > 0) {
      const piece = await blocks.some(left);
      if (!piece) throw tarDamaged('it is truncated in the middle of a file');
      left -= piece.length;
      yield piece;
    }
  } finally {
    // Also reached when the caller stops early.
    while (left > 0) {
      const piece = await blocks.some(left);
      if (!piece) break;
      left -= piece.length;
    }
    if (left === 0) await blocks.exactly(paddingOf(sizeBytes));
  }
}

function plainName(header: Buffer): Buffer {
  const name = untilNul(fieldOf(header, FIELD.name));
  const [at] = FIELD.magic;
  // GNU's old format has other fields in place of the prefix.
  const hasPrefix = header.toString('latin1', at, at + 6) === 'ustar\0';
  const prefix = hasPrefix ? untilNul(fieldOf(header, FIELD.prefix)) : Buffer.alloc(0);
  return prefix.length === 0 ? name : Buffer.concat([prefix, Buffer.from('/'), name]);
}

function fieldOf(header: Buffer, [at, length]: readonly [number, number]): Buffer {
  return header.subarray(at, at + length);
}

function untilNul(field: Buffer): Buffer {
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end));
}

/** Octal digits, or a big-endian number when the first bit is set (GNU). */
function numberAt(header: Buffer, field: readonly [number, number]): number {
  const bytes = fieldOf(header, field);
  const first = bytes[0] ?? 0;
  if (first === 0x80) {
    const value = bytes.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
    if (Number.isSafeInteger(value)) return value;
  }
  const text = bytes
    .toString('latin1')
    .replace(/[\0 ].*$/s, '')
    .trim();
  if (!/^[0-7]*$/.test(text)) throw tarDamaged('a number in a header is invalid');
  return text === '' ? 0 : Number.parseInt(text, 8);
}
