import { formatSize } from '../../base/text/size.ts';
import { MIN_MEMORY_MIB } from '../../protocol/vm-limits.ts';
import type { OptionDefinitions } from '../program/command.ts';
import { ALLOW_OPTION } from './allow-option.ts';
import { EXPOSE_HOST_OPTION } from './expose-host-option.ts';
import { KERNEL_OPTION } from './kernel-ref.ts';
import { PLATFORM_OPTION } from './platform-option.ts';
import { SECRET_OPTION } from './secret-option.ts';
import { VMM_OPTION } from './vmm-option.ts';

/**
 * Shows where the time of the command went: on stderr, printed by the command line itself, or in the value
 * that `--json` prints (`spansOf`).
 */
export const TIMINGS = {
  type: 'flag',
  summary: 'print on stderr where the time went, in ms; with --json, the value has it as "spans"',
} as const;

/** Options of every command that makes a VM. */
export const VM_OPTIONS = {
  name: {
    type: 'value',
    value: 'name',
    summary: "the VM's name: 1 to 63 of a-z, 0-9 and '-'",
    defaultText: () => 'generated, such as calm-otter',
  },
  image: {
    type: 'value',
    value: 'image',
    kind: 'image',
    summary: 'the image that the VM boots, or a reference to one in a registry',
    defaultText: (settings) =>
      settings?.defaultImage ?? 'default_image_name of the config file, else debian-bookworm',
  },
  ...PLATFORM_OPTION,
  ...KERNEL_OPTION,
  ...VMM_OPTION,
  vcpu: {
    type: 'value',
    value: 'count',
    summary: 'virtual CPUs',
    defaultText: (settings) =>
      settings
        ? String(settings.vmDefaults.vcpuCount.value)
        : "vcpu of the config file, else a quarter of the host's CPUs, at most 4",
  },
  memory: {
    type: 'value',
    value: 'MiB',
    summary: `memory in MiB, at least ${MIN_MEMORY_MIB}`,
    defaultText: (settings) =>
      settings
        ? String(settings.vmDefaults.memoryMib.value)
        : "memory_mib of the config file, else an eighth of the host's memory, at most 8192",
  },
  diskSize: {
    type: 'value',
    value: 'size',
    summary: 'size of the work disk at /root, for example 8G or 512M',
    defaultText: (settings) => sizeText(settings?.vmDefaults.diskSizeBytes.value, 'disk_size'),
  },
  systemOverlaySize: {
    type: 'value',
    value: 'size',
    summary: 'free space on the system disk, beyond the image',
    defaultText: (settings) =>
      sizeText(settings?.vmDefaults.systemOverlaySizeBytes.value, 'system_overlay_size'),
  },
  user: {
    type: 'value',
    short: 'u',
    value: 'user',
    summary:
      'the user of the VM: commands, shells, ssh and the working tree are theirs; made when missing, with sudo and a home on the work disk',
    defaultText: (settings) =>
      settings?.defaultUser ??
      'user of the config file, else root; without a working tree, what the image says',
  },
  nat: {
    type: 'flag',
    summary: 'let the guest open connections to the outside: the network, and the host itself',
  },
  allow: ALLOW_OPTION,
  secret: SECRET_OPTION,
  exposeHost: EXPOSE_HOST_OPTION,
  cold: { type: 'flag', summary: 'boot the VM, even if there is a warm template for it' },
  timings: TIMINGS,
} as const satisfies OptionDefinitions;

function sizeText(bytes: number | undefined, key: string): string {
  return bytes === undefined ? `${key} of the config file, else 8G` : formatSize(bytes);
}
