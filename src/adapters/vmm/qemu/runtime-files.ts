import { join } from 'node:path';

/**
 * What QEMU keeps in a VM's runtime folder:
 *
 *     <runtimeDir>/
 *       qmp.sock      control
 *       agent.sock    the guest's port banger.agent.0
 *       qemu.pid      locked by QEMU while it runs; its path on QEMU's command line is what a stray is found by
 *       park/         the same of a QEMU that a guest is migrated to, so that it can be saved, and what flows to and from it:
 *         in.sock     the guest from the QEMU that runs it
 *         state.sock  the device state to us
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

/** Names of what a VM that is being saved has beside them. */
export function parkFiles(runtimeDir: string): { dir: string; incomingSocket: string; stateSocket: string } {
  const dir = join(runtimeDir, 'park');
  return { dir, incomingSocket: join(dir, 'in.sock'), stateSocket: join(dir, 'state.sock') };
}
