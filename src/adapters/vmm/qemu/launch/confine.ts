import { dirname, join } from 'node:path';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import type { QemuHost } from '../qemu-host.ts';
import { givenSockets, kernelFile, qemuArgv, type StartMode } from './argv.ts';

/**
 * What QEMU and its libraries read of the system: code, firmware, and what they ask about processors and time
 * zones.
 */
const SYSTEM_FILES = [
  ...['/usr/lib', '/usr/lib32', '/usr/lib64', '/lib', '/lib64', '/usr/local/lib', '/nix/store', '/gnu/store'],
  ...['/etc/ld.so.cache', '/etc/ld.so.preload', '/etc/ld-musl-x86_64.path', '/etc/ld-musl-aarch64.path'],
  ...['/usr/share/qemu', '/usr/share/seabios', '/usr/share/AAVMF', '/usr/share/zoneinfo', '/etc/localtime'],
  ...['/sys/devices/system/cpu', '/sys/devices/system/node', '/sys/kernel/mm/transparent_hugepage'],
] as const;

/** The user network asks these for name servers, also long after the start. */
const NAME_SERVER_FILES = [
  ...['/etc/resolv.conf', '/run/systemd/resolve', '/run/NetworkManager', '/run/resolvconf', '/mnt/wsl'],
] as const;

/** Most of the console's log, and of the VMM's own. */
const LOG_BYTES = 4 * 2 ** 20;

const DEVICES = ['/dev/null', '/dev/zero', '/dev/random', '/dev/urandom'] as const;

/**
 * The command line that starts QEMU for `spec`, behind the second wall when the host has the program for it:
 * QEMU reads its own system files and the files of this VM, writes to this VM's folders, and runs no program.
 * The process, its stdin and its session stay the same. What it and its guest print is written by a process
 * of its own, up to a bound, unless it is brief. A pure function.
 */
export function launchArgv(
  spec: VmSpec,
  host: QemuHost,
  mode: StartMode = { kind: 'boot' },
  { isBrief = false }: { isBrief?: boolean } = {},
): [string, ...string[]] {
  const { hostTools, binary, arch, isRoot = false } = host;
  if (hostTools === undefined) return qemuArgv(spec, host, mode);
  const readOnly = spec.drives.filter((drive) => drive.isReadOnly).map((drive) => drive.pathOnHost);
  const writable = spec.drives.filter((drive) => !drive.isReadOnly).map((drive) => dirname(drive.pathOnHost));
  // Copies of drives are made in the folder of the VM, where its console's log is.
  const folders = new Set([spec.runtimeDir, dirname(spec.consoleLogPath), ...writable]);
  const bootFiles = [kernelFile(spec.bootSource, arch), spec.bootSource.initrdPath];
  return [
    hostTools,
    'confine',
    ...option('--read', [...SYSTEM_FILES, ...filesBeside(binary), ...NAME_SERVER_FILES]),
    ...option('--read', [...bootFiles, ...readOnly]),
    // Hosts that move to another network put a new file in the place of the old one, which only a rule for
    // the folder lets be read.
    ...option('--read', spec.hasNat && !isRoot ? ['/etc'] : []),
    ...option('--write', folders),
    ...option('--map', mode.kind === 'restore' ? [mode.memoryPath] : []),
    ...option('--device', spec.accelerator === 'kvm' ? [...DEVICES, '/dev/kvm'] : DEVICES),
    ...option('--listen', givenSockets(spec)),
    // The user network opens the guest's connections itself.
    ...option('--socket', ['inet']),
    ...(isBrief
      ? []
      : ['--console', spec.consoleLogPath, '--log', spec.vmmLogPath, '--max-log', String(LOG_BYTES)]),
    '--',
    ...qemuArgv(spec, host, mode, { sockets: true, console: !isBrief }),
  ];
}

/** QEMU finds its firmware and modules relative to itself. */
function filesBeside(binary: string): string[] {
  const prefix = dirname(dirname(binary));
  return ['lib', 'lib64', 'share/qemu', 'share/seabios'].map((name) => join(prefix, name));
}

function option(name: string, values: Iterable<string>): string[] {
  return [...values].flatMap((value) => [name, value]);
}
