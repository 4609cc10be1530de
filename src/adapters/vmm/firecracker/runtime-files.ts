import { basename, join } from 'node:path';
import { fitsSocketPath } from '../../../base/unix-socket.ts';

/**
 * Firecracker's files in a VM's runtime folder, which is its working folder:
 *
 *     <runtimeDir>/
 *       api.sock      control
 *       vsock.sock    connects to ports of the guest's vsock
 */
export interface RuntimeFiles {
  apiSocket: string;
  vsockSocket: string;
}

/** Paths of the files in `runtimeDir`. */
export function runtimeFiles(runtimeDir: string): RuntimeFiles {
  return { apiSocket: join(runtimeDir, 'api.sock'), vsockSocket: join(runtimeDir, 'vsock.sock') };
}

/** The path of a socket for Firecracker: relative to its working folder when it is too long for a socket. */
export function pathForFirecracker(socket: string): string {
  return fitsSocketPath(socket) ? socket : join('/proc/self/cwd', basename(socket));
}
