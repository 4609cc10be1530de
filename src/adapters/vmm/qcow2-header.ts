import { type FileHandle, open } from 'node:fs/promises';
import { isErrno } from '../../base/errors.ts';

/** The fields of a qcow2 header that we use (QEMU's `docs/interop/qcow2.txt`, "Header"). */
export interface Qcow2Header {
  /** size as the guest sees it */
  virtualBytes: number;
  clusterBytes: number;
  /** offset of the level 1 table, and its number of entries */
  l1Offset: number;
  l1Entries: number;
}

/** Length of the header without its optional parts. */
const QCOW2_HEADER_BYTES = 72;

const MAGIC = 0x514649fb;
/** QEMU itself accepts no larger level 1 table (`QCOW_MAX_L1_SIZE`). */
const MAX_L1_ENTRIES = (32 * 1024 * 1024) / 8;
/** The bits of a table entry that are an offset in the file. */
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;

/** Parses the first bytes of a file; `undefined` when they are not a header that QEMU accepts. */
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
 * What is wrong with the qcow2 file at `path`, for people. `undefined` when the guest sees the size
 * `virtualBytes` and the file contains all tables that its clusters are found by. QEMU would read a missing
 * table as zeros: the drive would have lost its data silently.
 */
export async function qcow2Problem(path: string, virtualBytes: number): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'EACCES'))
      return error.code === 'ENOENT' ? 'it is missing' : 'it is not readable';
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

/** The feature bit of a file whose content is in another one. */
const EXTERNAL_DATA = 4n;

/** Whether all content of the qcow2 file at `path` is in it: no backing file, no external data file. */
export async function namesNoOtherFile(path: string): Promise<boolean> {
  await using file = await open(path, 'r');
  const header = await bytesAt(file, 0, QCOW2_HEADER_BYTES + 8);
  if (!parseQcow2Header(header)) return false;
  const hasFeatures = header.readUInt32BE(4) >= 3 && header.length === QCOW2_HEADER_BYTES + 8;
  const features = hasFeatures ? header.readBigUInt64BE(QCOW2_HEADER_BYTES) : 0n;
  return header.readBigUInt64BE(8) === 0n && (features & EXTERNAL_DATA) === 0n;
}

/** The offset at which the last level 2 table ends; infinite when the level 1 table itself is cut short. */
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

/** Up to `length` bytes from `position`; fewer at the end of the file. */
async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, position);
  return bytes.subarray(0, bytesRead);
}
