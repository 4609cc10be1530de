import { join } from 'node:path';

/**
 * What QEMU keeps in a VM's runtime folder:
 *
 *     <runtimeDir>/
 *       qmp.sock      control
 *       agent.sock    the guest's port banger.agent.0
 *       qemu.pid      locked by QEMU while it runs; its path on QEMU's command line is what a stray is found by
 */
export interface RuntimeFiles {
  qmpSocket: string;
  agentSocket: string;
  pidFile: string;
}

/** Names of the files in `runtimeDir`. */
export function runtimeFiles(runtimeDir: string): RuntimeFiles {
  return {
    qmpSocket: join(runtimeDir, 'qmp.sock'),
    agentSocket: join(runtimeDir, 'agent.sock'),
    pidFile: join(runtimeDir, 'qemu.pid'),
  };
}
