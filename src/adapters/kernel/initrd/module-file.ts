import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import { AppError } from '../../../base/errors.ts';

/** Far more than the largest module of any distribution; stops a decompression bomb. */
const MAX_MODULE_BYTES = 64 * 2 ** 20;

/**
 * Reads a kernel module as a plain ELF file; it may be compressed as `.ko.gz` or `.ko.zst`.
 *
 * @throws {AppError} KERNEL_MODULES_COMPRESSED for `.ko.xz`, which Node cannot decompress;
 * KERNEL_MODULES_DAMAGED when the file is not a complete kernel module.
 */
export async function readModuleFile(path: string): Promise<Buffer> {
  if (path.endsWith('.xz')) {
    throw new AppError(
      'KERNEL_MODULES_COMPRESSED',
      `Cannot use "${path}": modules packed with xz are not supported`,
      {
        hint: `unpack the modules with "unxz" and run depmod, or use a kernel with plain, gzip or zstd modules`,
        details: { path },
      },
    );
  }
  const content = await unpack(path);
  if (!isWholeElf(content)) {
    throw new AppError('KERNEL_MODULES_DAMAGED', `Cannot use "${path}": it is not a complete kernel module`, {
      hint: 'install the kernel again',
      details: { path },
    });
  }
  return content;
}

async function unpack(path: string): Promise<Buffer> {
  const packed = await readFile(path);
  const limits = { maxOutputLength: MAX_MODULE_BYTES };
  try {
    if (path.endsWith('.gz')) return await promisify(gunzip)(packed, limits);
    if (path.endsWith('.zst')) return await promisify(zstdDecompress)(packed, limits);
    return packed;
  } catch (error) {
    throw new AppError('KERNEL_MODULES_DAMAGED', `Cannot unpack "${path}"`, {
      hint: 'install the kernel again',
      details: { path },
      cause: error,
    });
  }
}

/**
 * True when the content includes the section header table, which ends a module's ELF part. Node 24 stops
 * after the first zstd frame without an error, so a decompressed file may be incomplete.
 */
function isWholeElf(content: Buffer): boolean {
  if (content.length < 64 || content.readUInt32BE(0) !== 0x7f454c46) return false;
  // Elf64_Ehdr of elf(5), little-endian as on all architectures we run: e_shoff, e_shentsize, e_shnum.
  const [sections, entryBytes, count] = [
    content.readBigUInt64LE(40),
    content.readUInt16LE(58),
    content.readUInt16LE(60),
  ];
  return sections > 0n && count > 0 && sections + BigInt(entryBytes * count) <= BigInt(content.length);
}
