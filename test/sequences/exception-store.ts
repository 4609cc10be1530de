import { type FileHandle, open } from 'node:fs/promises';

/*
 * The kernel's persistent exception store (drivers/md/dm-snap-persistent.c,
 * Documentation/admin-guide/device-mapper/snapshot.rst), all little endian, in chunks:
 *
 *     chunk 0               header: magic "SnAp", valid, version, sectors of a chunk; 32 bits each
 *     then areas, each of
 *       one chunk           pairs of 64 bits: chunk of the origin, and chunk of this store
 *                           that has its content; 0 for the latter ends the list
 *       as many chunks as there are pairs
 */
const MAGIC = 0x70416e53;
const VERSION = 1;
const SECTOR_BYTES = 512;
const PAIR_BYTES = 16;

/**
 * Writes every chunk in the store `storePath` to its place in `targetPath`, a copy of the origin. Returns the
 * number of chunks.
 */
export async function mergeExceptions(storePath: string, targetPath: string): Promise<number> {
  await using store = await open(storePath, 'r');
  await using target = await open(targetPath, 'r+');
  const header = await readAt(store, 0, PAIR_BYTES);
  const [magic, valid, version] = [0, 4, 8].map((at) => header.readUInt32LE(at));
  if (magic !== MAGIC || version !== VERSION) throw new Error(`"${storePath}" has no exception store`);
  if (valid !== 1) throw new Error(`the exception store in "${storePath}" is invalid: it was full, or broke`);
  const chunkBytes = header.readUInt32LE(12) * SECTOR_BYTES;
  const pairsInArea = chunkBytes / PAIR_BYTES;
  for (let count = 0; ; ) {
    const area = 1 + (count / pairsInArea) * (pairsInArea + 1);
    const pairs = await readAt(store, area * chunkBytes, chunkBytes);
    for (let at = 0; at < chunkBytes; at += PAIR_BYTES) {
      const [to, from] = [Number(pairs.readBigUInt64LE(at)), Number(pairs.readBigUInt64LE(at + 8))];
      if (from === 0) return count;
      await target.write(await readAt(store, from * chunkBytes, chunkBytes), 0, chunkBytes, to * chunkBytes);
      count += 1;
    }
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  if (bytesRead !== length) throw new Error(`${length} bytes at ${position} are beyond the end of the store`);
  return buffer;
}
