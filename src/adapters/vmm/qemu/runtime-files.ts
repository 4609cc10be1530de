import { join } from 'node:path';

/**
 * What QEMU keeps in a VM's runtime folder:
 *
 *     <runtimeDir>/
 *       qmp.sock      control
 *       agent.sock    the guest's port banger.agent.0
 *       qemu.pid      locked by QEMU while it runs; its path on QEMU's command line is what a stray is found by
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
