import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import { LZ4_LEGACY_MAGIC, unpackLz4Legacy } from './lz4.ts';

/** "HdrS" at offset 0x202: a bzImage (Linux, Documentation/arch/x86/boot.rst). */
const BZIMAGE_MAGIC = 0x53726448;
const ZSTD_MAGIC = 0xfd2fb528;
const ELF_MAGIC = 0x464c457f;
/** `payload_offset` and `payload_length` exist from boot protocol 2.08. */
const PAYLOAD_VERSION = 0x0208;
const SECTOR_BYTES = 512;
/** Kernels append the uncompressed size to every payload except gzip, which already includes it. */
const SIZE_SUFFIX_BYTES = 4;
const MAX_VMLINUX_BYTES = 2 ** 30;

/**
 * The ELF kernel inside an x86 bzImage. `undefined` when the file is not a bzImage, or is compressed in an
 * unsupported way (gzip, LZ4 and zstd are supported).
 *
 * @throws {AppError} KERNEL_FORMAT_DAMAGED; an error of zlib when the payload does not match its magic
 * number.
 */
export async function extractVmlinux(image: Buffer): Promise<Buffer | undefined> {
  const payload = bzImagePayload(image);
  const vmlinux = payload && (await unpack(payload));
  return vmlinux && vmlinux.length > 4 && vmlinux.readUInt32LE(0) === ELF_MAGIC ? vmlinux : undefined;
}

function bzImagePayload(image: Buffer): Buffer | undefined {
  if (image.length < 0x250 || image.readUInt32LE(0x202) !== BZIMAGE_MAGIC) return undefined;
  if (image.readUInt16LE(0x206) < PAYLOAD_VERSION) return undefined;
  // "For backwards compatibility, if the setup_sects field contains 0, the real value is 4."
  const setupSectors = (image[0x1f1] || 4) + 1;
  const start = setupSectors * SECTOR_BYTES + image.readUInt32LE(0x248);
  const payload = image.subarray(start, start + image.readUInt32LE(0x24c));
  return payload.length > 8 ? payload : undefined;
}

async function unpack(payload: Buffer): Promise<Buffer | undefined> {
  const limit = { maxOutputLength: MAX_VMLINUX_BYTES };
  if (payload.readUInt16BE(0) === 0x1f8b) return await promisify(gunzip)(payload, limit);
  const magic = payload.readUInt32LE(0);
  if (magic === LZ4_LEGACY_MAGIC) return await unpackLz4Legacy(payload);
  if (magic === ZSTD_MAGIC) {
    return await promisify(zstdDecompress)(payload.subarray(0, -SIZE_SUFFIX_BYTES), limit);
  }
  return undefined;
}

/** Whether zlib could not unpack something, or found it too large. */
export function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^(Z_|ZSTD_|ERR_)/.test(String(error.code));
}
