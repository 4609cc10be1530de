import { open } from 'node:fs/promises';
import { invariant } from '../../base/errors.ts';
import { parseQcow2Header } from './qcow2-header.ts';

/*
 * Beginning of a qcow2 file, version 3 (QEMU's docs/interop/qcow2.txt):
 *
 *     8     offset of the backing file's name, 8 bytes
 *     16    its length, 4 bytes
 *     100   length of the header, 4 bytes
 *     ...   extensions: type and length, 4 bytes each, then the data, padded to 8 bytes; type 0 ends them
 *     ...   the name
 *
 * All of it is in the first cluster. Numbers are big endian.
 */

const NAME_OFFSET_AT = 8;
const NAME_LENGTH_AT = 16;
const HEADER_LENGTH_AT = 100;
const HEAD_BYTES = 4096;
/** Longest name that QEMU accepts. */
const MAX_NAME_BYTES = 1023;

const BACKING_FORMAT = 0xe2792aca;
/** Names of features, only for messages of programs that do not know them. */
const FEATURE_NAMES = 0x6803f857;

/**
 * Writes into a qcow2 file that no VMM uses that the raw file at `backingPath` is below it. Our VMMs are told
 * that themselves; it is for other programs, which would otherwise take the drive for whole.
 */
export async function nameBacking(path: string, backingPath: string): Promise<void> {
  await using file = await open(path, 'r+');
  const head = Buffer.alloc(HEAD_BYTES);
  const { bytesRead } = await file.read(head, 0, HEAD_BYTES, 0);
  const changed = withBacking(head.subarray(0, bytesRead), backingPath);
  await file.write(changed, 0, changed.length, 0);
}

/** The first bytes of a qcow2 file with another backing file. */
function withBacking(head: Buffer, backingPath: string): Buffer {
  const name = Buffer.from(backingPath);
  const header = parseQcow2Header(head);
  invariant(header && head.readUInt32BE(4) === 3, 'a drive of ours is qcow2, version 3');
  const headerBytes = head.readUInt32BE(HEADER_LENGTH_AT);
  const kept = extensionsOf(head, headerBytes).filter(
    ({ type }) => type !== BACKING_FORMAT && type !== FEATURE_NAMES,
  );
  const extensions = [{ type: BACKING_FORMAT, data: Buffer.from('raw') }, ...kept, END].map(encoded);
  const before = Buffer.concat([head.subarray(0, headerBytes), ...extensions]);
  invariant(
    name.length <= MAX_NAME_BYTES && before.length + name.length <= header.clusterBytes,
    'the name of a backing file fits into the header',
  );
  before.writeBigUInt64BE(BigInt(before.length), NAME_OFFSET_AT);
  before.writeUInt32BE(name.length, NAME_LENGTH_AT);
  return Buffer.concat([before, name]);
}

interface Extension {
  type: number;
  data: Buffer;
}

const END: Extension = { type: 0, data: Buffer.alloc(0) };

function extensionsOf(head: Buffer, from: number): Extension[] {
  const found: Extension[] = [];
  for (let at = from; at + 8 <= head.length; ) {
    const type = head.readUInt32BE(at);
    const length = head.readUInt32BE(at + 4);
    if (type === 0) return found;
    found.push({ type, data: head.subarray(at + 8, at + 8 + length) });
    at += 8 + paddedLength(length);
  }
  return found;
}

function encoded({ type, data }: Extension): Buffer {
  const bytes = Buffer.alloc(8 + paddedLength(data.length));
  bytes.writeUInt32BE(type, 0);
  bytes.writeUInt32BE(data.length, 4);
  data.copy(bytes, 8);
  return bytes;
}

function paddedLength(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
