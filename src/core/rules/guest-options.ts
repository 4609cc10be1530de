import type { GuestArch } from '../ports/images/guest-arch.ts';

/**
 * Options of a kernel's build: their names without `CONFIG_`, and their values (`y`, `m`, a number, a text).
 */
export type KernelOptions = ReadonlyMap<string, string>;

/** An option that a guest needs, and that its kernel lacks. */
export interface MissingOption {
  /** with `CONFIG_` */
  option: string;
  /** no VM boots without it */
  isRequired: boolean;
  /** what does not work without it */
  why: string;
}

interface GuestOption {
  option: string;
  isRequired: boolean;
  /** default: every architecture */
  arch?: GuestArch;
  why: string;
}

/** In the order in which a boot needs them. */
const GUEST_OPTIONS: readonly GuestOption[] = [
  ...required('finding the devices', [{ option: 'ACPI', arch: 'amd64' }]),
  ...required('the first program', ['BLK_DEV_INITRD', 'BINFMT_ELF', 'EPOLL', 'FUTEX', 'UNIX']),
  ...required("the kernel's file systems", ['PROC_FS', 'SYSFS', 'DEVTMPFS', 'TMPFS']),
  ...required('the drives', ['VIRTIO_MMIO', 'VIRTIO_BLK', 'BLK_DEV_DM', 'DM_SNAPSHOT', 'EXT4_FS']),
  ...required('the link to the host', ['VIRTIO_CONSOLE']),
  ...useful('the console, in vm logs', [
    { option: 'SERIAL_8250_CONSOLE', arch: 'amd64' },
    { option: 'SERIAL_AMBA_PL011_CONSOLE', arch: 'arm64' },
  ]),
  ...useful('the network', ['INET', 'VIRTIO_NET']),
  ...useful('randomness of the host', ['HW_RANDOM_VIRTIO']),
  ...useful('terminals', ['UNIX98_PTYS']),
  ...useful('scripts that begin with #!', ['BINFMT_SCRIPT']),
  ...useful('systemd', ['CGROUPS', 'FHANDLE', 'INOTIFY_USER', 'AUTOFS_FS', 'TMPFS_XATTR']),
  ...useful('containers', ['NAMESPACES', 'USER_NS', 'OVERLAY_FS', 'SECCOMP_FILTER', 'BRIDGE', 'VETH']),
];

/** Returns what guests of `arch` need and a kernel with these options lacks. */
export function missingOptions(options: KernelOptions, arch: GuestArch): MissingOption[] {
  const has = (option: string): boolean => ['y', 'm'].includes(options.get(option) ?? 'n');
  return GUEST_OPTIONS.filter((one) => (one.arch ?? arch) === arch && !has(one.option)).map(
    ({ option, isRequired, why }) => ({ option: `CONFIG_${option}`, isRequired, why }),
  );
}

/** Parses the file `.config` of a kernel. Lines that it cannot read count as absent. */
export function parseKernelOptions(text: string): KernelOptions {
  const options = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/^CONFIG_([A-Za-z0-9_]+)=(.*)$/gm)) {
    options.set(name, value.trim());
  }
  return options;
}

type Named = string | Pick<GuestOption, 'option' | 'arch'>;

function required(why: string, options: readonly Named[]): GuestOption[] {
  return options.map((one) => ({ ...named(one), isRequired: true, why }));
}

function useful(why: string, options: readonly Named[]): GuestOption[] {
  return options.map((one) => ({ ...named(one), isRequired: false, why }));
}

function named(one: Named): Pick<GuestOption, 'option' | 'arch'> {
  return typeof one === 'string' ? { option: one } : one;
}
