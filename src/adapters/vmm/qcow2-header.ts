import { type FileHandle, open } from 'node:fs/promises';
import { isErrno } from '../../base/errors.ts';

/** What the header of a qcow2 file says, as far as we use it (QEMU's `docs/interop/qcow2.txt`, "Header"). */
export interface Qcow2Header {
  /** size that the guest sees */
  virtualBytes: number;
  clusterBytes: number;
  /** where the table of level 1 is, and how many entries it has */
  l1Offset: number;
  l1Entries: number;
}

/** The header without its optional parts. */
const QCOW2_HEADER_BYTES = 72;

const MAGIC = 0x514649fb;
/** QEMU itself takes no larger table of level 1 (`QCOW_MAX_L1_SIZE`). */
const MAX_L1_ENTRIES = (32 * 1024 * 1024) / 8;
/** Bits of a table's entry that are an offset in the file. */
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;

/** Parses the first bytes of a file; `undefined` when they are no header that QEMU would take. */
export function parseQcow2Header(bytes: Buffer): Qcow2Header | undefined {
  if (bytes.length < QCOW2_HEADER_BYTES || bytes.readUInt32BE(0) !== MAGIC) return undefined;
  const version = bytes.readUInt32BE(4);
  const clusterBits = bytes.readUInt32BE(20);
  const header = {
    virtualBytes: Number(bytes.readBigUInt64BE(24)),
    clusterBytes: 2 ** clusterBits,
    l1Entries: bytes.readUInt32BE(36),
    l1Offset: Number(bytes.readBigUInt64BE(40)),
  };
  const isSane =
    (version === 2 || version === 3) &&
    clusterBits >= 9 &&
    clusterBits <= 21 &&
    header.l1Entries <= MAX_L1_ENTRIES &&
    Number.isSafeInteger(header.virtualBytes) &&
    Number.isSafeInteger(header.l1Offset);
  return isSane ? header : undefined;
}

/**
 * What is wrong with the qcow2 file at `path`, for people; `undefined` when it has the size `virtualBytes`
 * for the guest and is not cut short before the last table that its clusters are found by. QEMU would read a
 * missing table as zeros: a drive that lost its data without a word.
 */
export async function qcow2Problem(path: string, virtualBytes: number): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES'))
      return error.code === 'ENOENT' ? 'it is missing' : 'it may not be read';
    throw error;
  }
  try {
    const header = parseQcow2Header(await bytesAt(file, 0, QCOW2_HEADER_BYTES));
    if (!header) return 'it has no qcow2 header';
    if (header.virtualBytes !== virtualBytes) {
      return `it has ${header.virtualBytes} bytes for the guest instead of ${virtualBytes}`;
    }
    const { size } = await file.stat();
    return (await tablesEnd(file, header)) > size ? 'it is cut short' : undefined;
  } finally {
    await file.close();
  }
}

/**
 * Where in the file the last of the tables of both levels ends; beyond all files when the table of level 1
 * itself is cut.
 */
async function tablesEnd(
  file: FileHandle,
  { l1Offset, l1Entries, clusterBytes }: Qcow2Header,
): Promise<number> {
  const table = await bytesAt(file, l1Offset, l1Entries * 8);
  if (table.length < l1Entries * 8) return Number.POSITIVE_INFINITY;
  let end = 0;
  for (let at = 0; at < table.length; at += 8) {
    const offset = Number(table.readBigUInt64BE(at) & OFFSET_MASK);
    if (offset > 0) end = Math.max(end, offset + clusterBytes);
  }
  return end;
}

/** Up to `length` bytes from `position`; fewer at the file's end. */
async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}
