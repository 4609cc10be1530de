import { promisify } from 'node:util';
import { gunzip, zstdDecompress } from 'node:zlib';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import { extractVmlinux } from '../vmlinux.ts';
import { elfArch } from './elf.ts';

/** What a kernel's file says of it. */
export interface ReadKernel {
  arch: GuestArch;
  /** `6.1.0-56-cloud-amd64` */
  release: string;
  /** the kernel as it is booted; another file than the given one when that was compressed as a whole */
  file: Buffer;
  /** text of its `.config`; absent when the kernel does not contain it */
  config?: string;
}

const MAX_KERNEL_BYTES = 2 ** 30;
const LIMIT = { maxOutputLength: MAX_KERNEL_BYTES };
const BANNER = Buffer.from('Linux version ');
const CONFIG_START = Buffer.from('IKCFG_ST');
const CONFIG_END = Buffer.from('IKCFG_ED');
const MAX_CONFIG_BYTES = 4 * 2 ** 20;
const MAX_RELEASE_CHARS = 64;
const RELEASE = /^[0-9]+\.[0-9]+[A-Za-z0-9._+~-]*$/;

/**
 * Reads a kernel: an ELF file (vmlinux), an x86 bzImage, or an arm64 Image, which may be compressed with gzip
 * or packed as an EFI program. `undefined` for any other file. It throws the errors of zlib for a damaged
 * one.
 */
export async function readKernel(given: Buffer): Promise<ReadKernel | undefined> {
  const file = await unpackWhole(given);
  const elf = elfArch(file);
  if (elf !== undefined) return await described(elf, { file, content: file });
  if (isArm64Image(file)) return await described('arm64', { file, content: file });
  const release = bzImageRelease(file);
  if (release === undefined) return undefined;
  const content = await extractVmlinux(file);
  const config = content && (await embeddedConfig(content));
  return { arch: 'amd64', release, file, ...(config === undefined ? {} : { config }) };
}

async function described(
  arch: GuestArch,
  { file, content }: { file: Buffer; content: Buffer },
): Promise<ReadKernel | undefined> {
  const release = bannerRelease(content);
  if (release === undefined) return undefined;
  const config = await embeddedConfig(content);
  return { arch, release, file, ...(config === undefined ? {} : { config }) };
}

/**
 * The content of a file that is compressed with gzip, or of a packed EFI program; other files as they are.
 */
async function unpackWhole(file: Buffer): Promise<Buffer> {
  if (file.length > 2 && file.readUInt16BE(0) === 0x1f8b) return await promisify(gunzip)(file, LIMIT);
  // Linux, drivers/firmware/efi/libstub/zboot-header.S
  if (file.length < 64 || file.toString('latin1', 4, 8) !== 'zimg') return file;
  const [from, size] = [file.readUInt32LE(8), file.readUInt32LE(12)];
  const payload = file.subarray(from, from + size);
  const method = file.toString('latin1', 24, 32).replace(/\0.*$/s, '');
  if (method === 'gzip') return await promisify(gunzip)(payload, LIMIT);
  return method === 'zstd' ? await promisify(zstdDecompress)(payload, LIMIT) : file;
}

/** Linux, Documentation/arch/arm64/booting.rst */
function isArm64Image(file: Buffer): boolean {
  return file.length >= 64 && file.toString('latin1', 56, 60) === 'ARM\x64';
}

/** Linux, Documentation/arch/x86/boot.rst: the version's text is at an offset that the header has. */
function bzImageRelease(file: Buffer): string | undefined {
  if (file.length < 0x250 || file.toString('latin1', 0x202, 0x206) !== 'HdrS') return undefined;
  const at = file.readUInt16LE(0x20e) + 0x200;
  return releaseAt(file, at);
}

function bannerRelease(content: Buffer): string | undefined {
  for (let at = content.indexOf(BANNER); at !== -1; at = content.indexOf(BANNER, at + 1)) {
    const release = releaseAt(content, at + BANNER.length);
    if (release !== undefined) return release;
  }
  return undefined;
}

function releaseAt(file: Buffer, at: number): string | undefined {
  const [release = ''] = file.toString('latin1', at, at + MAX_RELEASE_CHARS).split(/[\s\0]/, 1);
  return RELEASE.test(release) ? release : undefined;
}

/** The `.config` in a kernel that was built with CONFIG_IKCONFIG. */
async function embeddedConfig(content: Buffer): Promise<string | undefined> {
  const start = content.indexOf(CONFIG_START);
  const end = content.indexOf(CONFIG_END, start);
  if (start === -1 || end === -1) return undefined;
  const packed = content.subarray(start + CONFIG_START.length, end);
  return (await promisify(gunzip)(packed, { maxOutputLength: MAX_CONFIG_BYTES })).toString('utf8');
}
