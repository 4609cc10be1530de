import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import type { Abortable } from '../../base/abort.ts';

const BLOCK_BYTES = 1024 * 1024;
const ZEROS = Buffer.alloc(BLOCK_BYTES);

/**
 * SHA-256 over those 1 MiB blocks of a file that are not all zeros, each preceded by its number as 8 bytes,
 * big endian: most of a guest's memory file is a hole. Returns 64 hex digits.
 */
export async function sparseDigest(path: string, { signal }: Abortable): Promise<string> {
  const hash = createHash('sha256');
  const block = Buffer.alloc(BLOCK_BYTES);
  const number = Buffer.alloc(8);
  await using file = await open(path, 'r');
  for (let at = 0n; ; at += 1n) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, Number(at) * BLOCK_BYTES);
    if (bytesRead === 0) return hash.digest('hex');
    const content = block.subarray(0, bytesRead);
    if (content.equals(ZEROS.subarray(0, bytesRead))) continue;
    number.writeBigUInt64BE(at);
    hash.update(number).update(content);
  }
}
