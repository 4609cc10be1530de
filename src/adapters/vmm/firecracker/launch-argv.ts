import { dirname } from 'node:path';
import type { VmSpec } from '../../../core/ports/vmm/spec.ts';
import { DEVICES, LOG_BYTES, option, SYSTEM_FILES } from '../launch/wall.ts';
import { pathForFirecracker, runtimeFiles } from './runtime-files.ts';

/** The programs that a start needs. */
export interface FirecrackerHost {
  /** path of `firecracker` */
  binary: string;
  /** path of `banger-host`; without it there is only Firecracker's own seccomp filter */
  hostTools?: string;
}

/** The id by which Firecracker reports which VM it runs, and by which its process is found. */
export function instanceId(vmId: string): string {
  return `banger-${vmId}`;
}

/** The descriptor that `banger-host confine` gives its program for the first log. */
const LOG_FD = 3;

/**
 * The command line that starts Firecracker for `spec` in the working folder `spec.runtimeDir`, behind the
 * second wall when the host has `banger-host`. It can read its own system files and the files of this VM,
 * write to this VM's folders, use KVM, make sockets in the runtime folder, connect to none, and run no
 * program. Its guest's console is its stdout; both that and its own log then go through the log keeper,
 * which bounds them. A pure function.
 */
export function launchArgv(spec: VmSpec, { binary, hostTools }: FirecrackerHost): [string, ...string[]] {
  const { bootSource, drives, runtimeDir, consoleLogPath, vmmLogPath } = spec;
  const socket = pathForFirecracker(runtimeFiles(runtimeDir).apiSocket);
  const ownArgv: [string, ...string[]] = [
    ...([binary, '--id', instanceId(spec.vmId), '--api-sock', socket] as const),
    ...['--level', 'Info'],
  ];
  // It does not append to a log, so without the log keeper its log shares stdout with the console.
  if (hostTools === undefined) return ownArgv;
  const { vmlinuxPath, initrdPath } = bootSource;
  const readOnly = drives.filter(({ isReadOnly }) => isReadOnly).map(({ pathOnHost }) => pathOnHost);
  const writable = drives.filter(({ isReadOnly }) => !isReadOnly).map((drive) => dirname(drive.pathOnHost));
  return [
    ...([hostTools, 'confine'] as const),
    ...option('--read', SYSTEM_FILES),
    ...option('--read', [...(vmlinuxPath === undefined ? [] : [vmlinuxPath]), initrdPath, ...readOnly]),
    ...option('--serve', [runtimeDir]),
    ...option('--write', new Set(writable)),
    ...option('--device', [...DEVICES, '/dev/kvm']),
    // Its stdout is the console of the guest, so the two logs change places.
    ...['--console', vmmLogPath, '--log', consoleLogPath, '--max-log', String(LOG_BYTES)],
    '--',
    ...ownArgv,
    ...['--log-path', `/proc/self/fd/${LOG_FD}`],
  ];
}
