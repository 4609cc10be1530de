import { basename, dirname, join } from 'node:path';
import { fitsSocketPath } from '../../../base/unix-socket.ts';

/**
 * QEMU's files in a VM's runtime folder:
 *
 *     <runtimeDir>/
 *       qmp.sock      control
 *       agent.sock    the guest's port banger.agent.0
 *       qemu.pid      locked by QEMU while it runs; a stray process is found by this path on its
 *                     command line
 *       save.sock     QEMU connects here to send a guest that is being saved or copied
 */
export interface RuntimeFiles {
  qmpSocket: string;
  agentSocket: string;
  saveSocket: string;
  pidFile: string;
}

/** Paths of the files in `runtimeDir`. */
export function runtimeFiles(runtimeDir: string): RuntimeFiles {
  return {
    qmpSocket: join(runtimeDir, 'qmp.sock'),
    agentSocket: join(runtimeDir, 'agent.sock'),
    saveSocket: join(runtimeDir, 'save.sock'),
    pidFile: join(runtimeDir, 'qemu.pid'),
  };
}

/** The folder of the files. */
export function runtimeDirOf({ pidFile }: Pick<RuntimeFiles, 'pidFile'>): string {
  return dirname(pidFile);
}

/**
 * The path of a socket for a program whose working folder is the VM's runtime folder, as QEMU's is. Relative
 * to that folder when the whole path is too long for a socket. A path that fits stays absolute, because QEMU
 * processes of earlier versions have another working folder.
 */
export function pathForQemu(socket: string): string {
  return fitsSocketPath(socket) ? socket : join('/proc/self/cwd', basename(socket));
}
