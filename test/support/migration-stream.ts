/** Size of a guest's pages, in bytes. */
export const PAGE = 4096;
const FIRMWARE_BYTES = 16 * PAGE;

/** One page of a stream; filled with `fill`. */
export interface Page {
  block: 'memory' | 'firmware' | 'virt.flash1';
  index: number;
  fill: number;
}

/** The part after the memory. */
export const DEVICES = Buffer.from('\u0004all that devices say of themselves\u0000', 'latin1');

/** The end of a section of memory. */
export const END = Buffer.concat([u64(0x10), Buffer.from([0x7e]), u32(2)]);

/** A whole stream: the part while the guest runs, and the part at the end. */
export function streamOf(
  sizeBytes: number,
  { parts = [], last = [] }: { parts?: readonly Page[][]; last?: readonly Page[] },
): Buffer {
  return Buffer.concat([
    head(sizeBytes),
    ...parts.flatMap((part) => [section(2, part), END]),
    section(3, last),
    END,
    DEVICES,
  ]);
}

/** Everything before the first page. */
export function head(sizeBytes: number): Buffer {
  return Buffer.concat([start(), sizes(sizeBytes), END]);
}

/** Magic number, version and the machine's name. */
export function start(): Buffer {
  return Buffer.concat([u32(0x5145_564d), u32(3), Buffer.from([7]), u32(7), Buffer.from('microvm')]);
}

export function sizes(sizeBytes: number): Buffer {
  return Buffer.concat([
    ...[Buffer.from([1]), u32(2), name('ram'), u32(0), u32(4)],
    ...[
      u64(sizeBytes + FIRMWARE_BYTES + 4),
      name('memory'),
      u64(sizeBytes),
      name('firmware'),
      u64(FIRMWARE_BYTES),
    ],
  ]);
}

/** Like QEMU, names a block only when it differs from the one before. */
export function section(type: number, all: readonly Page[]): Buffer {
  const records = all.map((page, at) => record(page, all[at - 1]?.block === page.block));
  return Buffer.concat([Buffer.from([type]), u32(2), ...records]);
}

export function record({ block, index, fill }: Page, isContinued = false): Buffer {
  const flags = (fill === 0 ? 0x02 : 0x08) | (isContinued ? 0x20 : 0);
  return Buffer.concat([
    u64(index * PAGE + flags),
    isContinued ? Buffer.alloc(0) : name(block),
    fill === 0 ? Buffer.from([0]) : Buffer.alloc(PAGE, fill),
  ]);
}

export function name(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
