import { gzipSync } from 'node:zlib';

const CONFIG_START = 'IKCFG_ST';
const CONFIG_END = 'IKCFG_ED';

/** Everything without which no VM boots, built in. */
export const BOOTABLE_CONFIG = [
  ...[
    'ACPI',
    'BLK_DEV_INITRD',
    'BINFMT_ELF',
    'EPOLL',
    'FUTEX',
    'UNIX',
    'PROC_FS',
    'SYSFS',
    'DEVTMPFS',
    'TMPFS',
  ],
  ...['VIRTIO_MMIO', 'VIRTIO_BLK', 'BLK_DEV_DM', 'DM_SNAPSHOT', 'EXT4_FS', 'VIRTIO_CONSOLE'],
]
  .map((option) => `CONFIG_${option}=y\n`)
  .join('');

/** What a kernel of a test says of itself. */
export interface FakeKernel {
  release: string;
  config?: string;
}

/** The data of a kernel: its banner, and perhaps its options. */
function content({ release, config }: FakeKernel): Buffer {
  const banner = Buffer.from(`Linux version %s\0Linux version ${release} (builder) #1 SMP\n\0`);
  if (config === undefined) return banner;
  return Buffer.concat([banner, Buffer.from(CONFIG_START), gzipSync(config), Buffer.from(CONFIG_END)]);
}

/** A vmlinux for an architecture, by default one that VMMs can start. */
export function fakeVmlinux(
  kernel: FakeKernel,
  { machine = 62, hasPvh = true }: { machine?: number; hasPvh?: boolean } = {},
): Buffer {
  const note = Buffer.concat([u32(4), u32(4), u32(hasPvh ? 18 : 6), Buffer.from('Xen\0'), u32(0)]);
  const header = Buffer.alloc(64 + 56);
  header.write('\x7fELF\x02\x01\x01', 'latin1');
  header.writeUInt16LE(machine, 18);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(4, 64);
  header.writeBigUInt64LE(BigInt(header.length), 64 + 8);
  header.writeBigUInt64LE(BigInt(note.length), 64 + 32);
  return Buffer.concat([header, note, content(kernel)]);
}

/** A bzImage around a vmlinux. */
export function fakeBzImage(kernel: FakeKernel, vmlinux: Buffer = fakeVmlinux(kernel)): Buffer {
  const setup = Buffer.alloc(2 * 512 + 64);
  const payload = gzipSync(vmlinux);
  setup[0x1f1] = 1;
  setup.write('HdrS', 0x202, 'latin1');
  setup.writeUInt16LE(0x020f, 0x206);
  setup.writeUInt16LE(0x100, 0x20e);
  setup.write(`${kernel.release} (builder) #1 SMP\0`, 0x300, 'latin1');
  setup.writeUInt32LE(64, 0x248);
  setup.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([setup, payload]);
}

/** An arm64 Image. */
export function fakeImage(kernel: FakeKernel): Buffer {
  const header = Buffer.alloc(64);
  header.write('MZ', 'latin1');
  header.write('ARM\x64', 56, 'latin1');
  return Buffer.concat([header, content(kernel)]);
}

/** An arm64 Image, packed as an EFI program. */
export function fakeZboot(kernel: FakeKernel): Buffer {
  const payload = gzipSync(fakeImage(kernel));
  const header = Buffer.alloc(64);
  header.write('MZ\0\0zimg', 'latin1');
  header.writeUInt32LE(64, 8);
  header.writeUInt32LE(payload.length, 12);
  header.write('gzip\0', 24, 'latin1');
  return Buffer.concat([header, payload]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
