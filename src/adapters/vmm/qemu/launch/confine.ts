import { dirname, join } from 'node:path';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import { DEVICES, LOG_BYTES, option, SYSTEM_FILES } from '../../launch/wall.ts';
import { MACHINES } from '../machine/machines.ts';
import type { QemuHost } from '../qemu-host.ts';
import { givenSockets, qemuArgv, type StartMode } from './argv.ts';

/** What QEMU reads of the system besides {@link SYSTEM_FILES}: its firmware. */
const FIRMWARE = ['/usr/share/qemu', '/usr/share/seabios', '/usr/share/AAVMF'] as const;

/**
 * The command line that starts QEMU for `spec`, behind the second wall when the host has `banger-host`. QEMU
 * can read its own system files and the files of this VM, write to this VM's folders, and run no program. The
 * process, its stdin and its session stay the same. A separate process writes the output of QEMU and its
 * guest, up to a size limit, unless the run is brief. A pure function.
 */
export function launchArgv(
  spec: VmSpec,
  host: QemuHost,
  mode: StartMode = { kind: 'boot' },
  { isBrief = false }: { isBrief?: boolean } = {},
): [string, ...string[]] {
  const { hostTools, binary, arch } = host;
  if (hostTools === undefined) return qemuArgv(spec, host, mode);
  const readOnly = spec.drives.filter((drive) => drive.isReadOnly).map((drive) => drive.pathOnHost);
  const writable = spec.drives.filter((drive) => !drive.isReadOnly).map((drive) => dirname(drive.pathOnHost));
  // Copies of drives are made in the VM's folder, which also has the console's log.
  const folders = new Set([spec.runtimeDir, dirname(spec.consoleLogPath), ...writable]);
  const bootFiles = [MACHINES[arch].kernelFile(spec.bootSource), spec.bootSource.initrdPath];
  return [
    hostTools,
    'confine',
    ...option('--read', [...SYSTEM_FILES, ...FIRMWARE, ...filesBeside(binary)]),
    ...option('--read', [...bootFiles, ...readOnly, ...(spec.baseDir === undefined ? [] : [spec.baseDir])]),
    ...option('--write', folders),
    ...option('--map', mode.kind === 'restore' ? [mode.memoryPath] : []),
    ...option('--device', spec.accelerator === 'kvm' ? [...DEVICES, '/dev/kvm'] : DEVICES),
    ...option('--listen', givenSockets(spec)),
    ...(isBrief
      ? []
      : ['--console', spec.consoleLogPath, '--log', spec.vmmLogPath, '--max-log', String(LOG_BYTES)]),
    '--',
    ...qemuArgv(spec, host, mode, { sockets: true, console: !isBrief }),
  ];
}

/** QEMU finds its firmware and modules relative to its own path. */
function filesBeside(binary: string): string[] {
  const prefix = dirname(dirname(binary));
  return ['lib', 'lib64', 'share/qemu', 'share/seabios'].map((name) => join(prefix, name));
}
