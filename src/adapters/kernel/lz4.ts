import { AppError } from '../../base/errors.ts';

/** First bytes of a legacy LZ4 frame (LZ4 frame format description, "Legacy frame"). */
export const LZ4_LEGACY_MAGIC = 0x184c2102;

/** Largest decompressed size of a block in a legacy frame. */
const BLOCK_BYTES = 8 * 2 ** 20;
/** Shortest match of a sequence (LZ4 block format description). */
const MIN_MATCH = 4;

/**
 * Decompresses a legacy LZ4 frame, the format of Linux kernels: blocks of `[size][data]`, with sizes in 4
 * bytes, little-endian. Yields to other work between blocks. Ignores up to 4 bytes after the last block,
 * because kernels append their size.
 *
 * @throws {AppError} KERNEL_FORMAT_DAMAGED.
 */
export async function unpackLz4Legacy(packed: Buffer): Promise<Buffer> {
  if (packed.length < 8 || packed.readUInt32LE(0) !== LZ4_LEGACY_MAGIC) throw damaged('no LZ4 frame');
  const blocks: Buffer[] = [];
  for (let at = 4; packed.length - at > 4; ) {
    const size = packed.readUInt32LE(at);
    const data = packed.subarray(at + 4, at + 4 + size);
    if (size === 0 || data.length !== size) throw damaged('a block is truncated');
    blocks.push(unpackBlock(data));
    at += 4 + size;
    await new Promise(setImmediate);
  }
  return Buffer.concat(blocks);
}

function unpackBlock(data: Buffer): Buffer {
  const out = Buffer.allocUnsafe(BLOCK_BYTES);
  let from = 0;
  let to = 0;
  while (from < data.length) {
    const token = data[from++] as number;
    const literals = readLength(token >> 4);
    if (from + literals > data.length || to + literals > out.length) throw damaged('literals are truncated');
    // Most runs are a few bytes long; for those the loop is faster than the call.
    if (literals > 32) {
      data.copy(out, to, from, from + literals);
      from += literals;
      to += literals;
    } else for (let left = literals; left > 0; left -= 1) out[to++] = data[from++] as number;
    // The last sequence has literals only.
    if (from === data.length) break;
    if (from + 2 > data.length) throw damaged('a match is truncated');
    const distance = data.readUInt16LE(from);
    from += 2;
    const length = readLength(token & 15) + MIN_MATCH;
    if (distance === 0 || distance > to || to + length > out.length) throw damaged('a match is out of range');
    copyMatch(out, to, { distance, length });
    to += length;
  }
  return out.subarray(0, to);

  function readLength(nibble: number): number {
    let length = nibble;
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; length += byte) {
      if (from >= data.length) throw damaged('a length is truncated');
      byte = data[from++] as number;
    }
    return length;
  }
}

/**
 * Copies `length` bytes from `distance` before `to`, byte by byte, because a match longer than its distance
 * repeats itself.
 */
function copyMatch(
  out: Buffer,
  to: number,
  { distance, length }: { distance: number; length: number },
): void {
  if (distance >= length && length > 64) {
    out.copyWithin(to, to - distance, to - distance + length);
    return;
  }
  for (let i = to; i < to + length; i += 1) out[i] = out[i - distance] as number;
}

function damaged(what: string): AppError {
  return new AppError('KERNEL_FORMAT_DAMAGED', `Cannot unpack the kernel: ${what}`);
}
