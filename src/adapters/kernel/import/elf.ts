import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';

const ELF_MAGIC = 0x7f45_4c46;
/** `EI_CLASS` and `EI_DATA` of a 64-bit little-endian file. */
const LITTLE_64 = 0x0201;
const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const PT_NOTE = 4;
/** The note with the entry at which a VMM starts an ELF kernel (`XEN_ELFNOTE_PHYS32_ENTRY`). */
const PVH_NOTE = { owner: 'Xen\0', type: 18 };
const ARCH_OF_MACHINE: Readonly<Record<number, GuestArch>> = { 62: 'amd64', 183: 'arm64' };

/** The architecture of a 64-bit ELF file (elf(5)); `undefined` for other files and architectures. */
export function elfArch(file: Buffer): GuestArch | undefined {
  return isElf(file) ? ARCH_OF_MACHINE[file.readUInt16LE(18)] : undefined;
}

/** Whether a VMM can start this ELF kernel directly. */
export function hasPvhEntry(file: Buffer): boolean {
  return isElf(file) && [...noteSegments(file)].some((notes) => hasNote(notes));
}

function isElf(file: Buffer): boolean {
  return (
    file.length >= HEADER_BYTES && file.readUInt32BE(0) === ELF_MAGIC && file.readUInt16BE(4) === LITTLE_64
  );
}

function* noteSegments(file: Buffer): Generator<Buffer> {
  const [at, size, count] = [bytesAt(file, 32), file.readUInt16LE(54), file.readUInt16LE(56)];
  if (size < PROGRAM_HEADER_BYTES) return;
  for (let header = at; header < at + count * size; header += size) {
    if (header + PROGRAM_HEADER_BYTES > file.length) return;
    if (file.readUInt32LE(header) !== PT_NOTE) continue;
    const from = bytesAt(file, header + 8);
    yield file.subarray(from, from + bytesAt(file, header + 32));
  }
}

function hasNote(notes: Buffer): boolean {
  for (let at = 0; at + 12 <= notes.length; ) {
    const [ownerBytes, bytes, type] = [0, 4, 8].map((field) => notes.readUInt32LE(at + field)) as [
      number,
      number,
      number,
    ];
    const owner = notes.subarray(at + 12, at + 12 + ownerBytes).toString('latin1');
    if (type === PVH_NOTE.type && owner === PVH_NOTE.owner) return true;
    at += 12 + padded(ownerBytes) + padded(bytes);
  }
  return false;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}

/** A 64-bit number; one beyond what a file can have is beyond its end. */
function bytesAt(file: Buffer, at: number): number {
  return Number(file.readBigUInt64LE(at));
}
