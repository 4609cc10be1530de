import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isThere } from '../../../base/files/if-there.ts';
import type { VmmProcess } from '../../../core/ports/vmm/running-vm.ts';
import { endProcess, findVmms, valuesOf } from '../vmm-process.ts';

/**
 * The files of a guest's network in the runtime folder of its VMM. The program makes the sockets in its
 * working folder, so their names are also in `host/internal/net/process`.
 *
 *     <runtimeDir>/
 *       net.sock           the VMM's frames
 *       net-control.sock   the daemon's requests
 *       net-policy.json    what the guest may reach, as of the start of the process
 */
export function networkFiles(runtimeDir: string): {
  linkSocket: string;
  controlSocket: string;
  policyFile: string;
} {
  return {
    linkSocket: join(runtimeDir, 'net.sock'),
    controlSocket: join(runtimeDir, 'net-control.sock'),
    policyFile: join(runtimeDir, 'net-policy.json'),
  };
}

/** How long a network process may take to end when it is asked to. */
const END_GRACE_MS = 500;

/** The command line of the network whose VMM has its sockets in `runtimeDir`. Pure. */
export function networkArgv(
  hostTools: string,
  {
    runtimeDir,
    decisionsDir,
    exposedPorts,
    hasSecrets,
  }: {
    runtimeDir: string;
    decisionsDir: string;
    exposedPorts: readonly number[];
    hasSecrets: boolean;
  },
): [string, ...string[]] {
  const exposed = exposedPorts.flatMap((port) => ['--expose', String(port)]);
  const policy = ['--policy', networkFiles(runtimeDir).policyFile, '--decisions', decisionsDir];
  return [hostTools, 'net', '--dir', runtimeDir, ...policy, ...(hasSecrets ? ['--secrets'] : []), ...exposed];
}

/** The network processes of this user for exactly this runtime folder. */
export async function findNetworks(runtimeDir: string): Promise<VmmProcess[]> {
  const found = await findVmms((argv) => isNetwork(argv) && valuesOf(argv, '--dir').includes(runtimeDir));
  return found.map(({ vmm }) => vmm);
}

/** The runtime folders for which network processes of this user run. */
export async function networkFolders(): Promise<string[]> {
  const found = await findVmms(isNetwork);
  return found.flatMap(({ argv }) => valuesOf(argv, '--dir'));
}

/**
 * Ends the network processes for this runtime folder, and removes their files. Looks for the processes unless
 * they are `known`. That takes a moment, as long as there are many processes, so it is left out when none of
 * the files is there: the first of them is older than the process, and they are removed after it has ended.
 * Idempotent.
 */
export async function endNetworks(runtimeDir: string, known?: readonly VmmProcess[]): Promise<void> {
  const files = Object.values(networkFiles(runtimeDir));
  if (!known && !(await Promise.all(files.map(isThere))).includes(true)) return;
  for (const one of known ?? (await findNetworks(runtimeDir)))
    await endProcess(one, { graceMs: END_GRACE_MS });
  for (const path of files) await rm(path, { force: true });
}

function isNetwork(argv: readonly string[]): boolean {
  return argv[1] === 'net' && argv[2] === '--dir';
}
