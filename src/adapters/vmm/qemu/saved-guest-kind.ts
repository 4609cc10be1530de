import { createHash } from 'node:crypto';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { SavedGuestKind } from '../../../core/ports/saved-by.ts';
import type { DriveSpec, VmSpec } from '../../../core/ports/vmm/spec.ts';
import type { Accelerator } from '../../../protocol/vm.ts';
import type { QemuBinary } from './binary.ts';
import { qemuArgv } from './launch/argv.ts';
import type { QemuHost } from './qemu-host.ts';

/** What the format of saved guests depends on. */
export interface SavingQemu {
  binary: QemuBinary;
  host: QemuHost;
  accelerator: Accelerator;
  /** text of proc(5) /proc/cpuinfo */
  cpuInfo: string;
}

/**
 * The QEMU options whose effect a guest sees. All others concern only the host, and may differ between saving
 * and restoring.
 */
const SEEN_BY_GUESTS = ['-machine', '-cpu', '-global', '-device', '-smp'];

/**
 * The kind of saved guests that this host's QEMU writes. Its key covers everything that decides what a boot
 * produces; the command line of an example VM stands for all options that we pass to QEMU. Its parts are what
 * restoring a saved guest requires, and no more.
 */
export function savedGuestKind({ binary, host, accelerator, cpuInfo }: SavingQemu): SavedGuestKind {
  const argv = qemuArgv(exampleSpec(host.arch, accelerator), host);
  const processor = cpuInfo.split('\n').filter((line) => /^(flags|model name|Features)\s*:/.test(line));
  const seen = argv.flatMap((word, at) => (SEEN_BY_GUESTS.includes(word) ? [word, argv[at + 1]] : []));
  const options = digest(seen).slice(0, 8);
  return {
    key: digest([binary, processor.slice(0, 2), argv]),
    parts: {
      vmm: { name: `QEMU ${binary.version}`, token: vmmToken(binary.version, host.machine) },
      accelerator: { name: accelerator === 'kvm' ? 'KVM' : 'software emulation (TCG)', token: accelerator },
      processor: processorPart(cpuInfo, accelerator),
      machine: { name: `"${host.machine}" (options ${options})`, token: `${host.machine} ${options}` },
    },
  };
}

/**
 * The device state of an unversioned machine belongs to a QEMU series, such as 7.2 or 8.0: stable releases
 * keep it. A versioned machine is the same in every QEMU that has it.
 */
function vmmToken(version: string, machine: string): string {
  return /-[0-9.]+$/.test(machine) ? 'QEMU' : version.split('.').slice(0, 2).join('.');
}

/**
 * On KVM, a guest sees the host's processor with all its features. An emulated guest depends only on the
 * frequency of the host's clock, which is identified by the processor model: the kernel's description of the
 * rest changes between versions.
 */
function processorPart(cpuInfo: string, accelerator: Accelerator): { name: string; token: string } {
  const of = (field: string): string =>
    new RegExp(`^${field}\\s*:\\s*(.*)$`, 'm').exec(cpuInfo)?.[1]?.trim() ?? '';
  const part = ['CPU implementer', 'CPU part'].map(of).join(' ').trim();
  const model = of('model name') || part || 'unknown';
  if (accelerator === 'tcg') return { name: `"${model}"`, token: model };
  const features = digest((of('flags') || of('Features')).split(/\s+/).sort()).slice(0, 8);
  return { name: `"${model}" (features ${features})`, token: `${model} ${features}` };
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

/** Any VM will do; only what is the same for all VMs counts. */
function exampleSpec(arch: GuestArch, accelerator: Accelerator): VmSpec {
  const drive = (serial: DriveSpec['serial'], isReadOnly: boolean): DriveSpec => ({
    serial,
    pathOnHost: `/${serial}`,
    format: isReadOnly ? 'raw' : 'qcow2',
    isReadOnly,
    sizeBytes: 0,
  });
  return {
    vmId: 'example',
    vcpuCount: 1,
    memoryMib: 1,
    accelerator,
    bootSource: { arch, kernelPath: '/kernel', initrdPath: '/initrd', bootArgs: [] },
    drives: [drive('root', true), drive('overlay', false), drive('work', false), drive('modules', true)],
    network: { mode: 'none' },
    runtimeDir: '/run',
    consoleLogPath: '/console',
    vmmLogPath: '/vmm',
  };
}
