import { basename, dirname, join } from 'node:path';
import { fitsSocketPath } from '../../../base/unix-socket.ts';

/**
 * What QEMU keeps in a VM's runtime folder:
 *
 *     <runtimeDir>/
 *       qmp.sock      control
 *       agent.sock    the guest's port banger.agent.0
 *       qemu.pid      locked by QEMU while it runs; its path on QEMU's command line is what a stray is
 *                     found by
 *       save.sock     what QEMU writes of a guest that is saved or copied, to us
 */
export interface RuntimeFiles {
  qmpSocket: string;
  agentSocket: string;
  saveSocket: string;
  pidFile: string;
}

/** Names of the files in `runtimeDir`. */
export function runtimeFiles(runtimeDir: string): RuntimeFiles {
  return {
    qmpSocket: join(runtimeDir, 'qmp.sock'),
    agentSocket: join(runtimeDir, 'agent.sock'),
    saveSocket: join(runtimeDir, 'save.sock'),
    pidFile: join(runtimeDir, 'qemu.pid'),
  };
}

/** The folder that the files are in. */
export function runtimeDirOf({ pidFile }: Pick<RuntimeFiles, 'pidFile'>): string {
  return dirname(pidFile);
}

/**
 * A socket's path for a program whose working folder is the VM's runtime folder, as QEMU's is: by way of that
 * folder where the whole path is too long for a socket. One that fits stays whole, for QEMU of earlier
 * versions has another working folder.
 */
export function pathForQemu(socket: string): string {
  return fitsSocketPath(socket) ? socket : join('/proc/self/cwd', basename(socket));
}
