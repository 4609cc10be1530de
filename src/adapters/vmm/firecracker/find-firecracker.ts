import { readdir, readlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isErrno } from '../../../base/errors.ts';
import type { VmmProcess } from '../../../core/ports/vmm/running-vm.ts';
import type { VmSpec } from '../../../core/ports/vmm/spec.ts';
import { findVmms, valuesOf } from '../vmm-process.ts';
import { instanceId } from './launch-argv.ts';

/** A running Firecracker, the VM that it says it runs, and the folder of its sockets. */
export interface FoundFirecracker {
  vmm: VmmProcess;
  vmId: string;
  runtimeDir: string;
}

/** What identifies a VM's Firecracker. */
export type FirecrackerPlace = Pick<VmSpec, 'vmId' | 'runtimeDir' | 'consoleLogPath'>;

/**
 * The Firecracker processes of one VM: those with its id whose sockets are in its runtime folder or in a
 * folder inside that, and those with its id that have a file of its folder open, wherever their sockets are.
 */
export async function findFirecrackers(place: FirecrackerPlace): Promise<FoundFirecracker[]> {
  const { vmId, runtimeDir, consoleLogPath } = place;
  const found = await allFirecrackers((id) => id === vmId);
  const isMeant = async (each: FoundFirecracker): Promise<boolean> =>
    each.runtimeDir === runtimeDir ||
    dirname(each.runtimeDir) === runtimeDir ||
    (await hasOpenFileIn(each.vmm.pid, dirname(consoleLogPath)));
  const meant = await Promise.all(found.map(isMeant));
  return found.filter((_, at) => meant[at]);
}

/**
 * Ids of the VMs that a Firecracker of this user runs with its sockets in a folder of `vmRuntimeDir`, or with
 * files of the VM's folder in `vmsDir` open. Without duplicates.
 */
export async function findFirecrackerVmIds({
  vmRuntimeDir,
  vmsDir,
}: {
  vmRuntimeDir: string;
  vmsDir: string;
}): Promise<string[]> {
  const ids = new Set<string>();
  for (const { vmm, vmId, runtimeDir } of await allFirecrackers(() => true)) {
    const own = [runtimeDir, dirname(runtimeDir)].find((folder) => dirname(folder) === vmRuntimeDir);
    if (own !== undefined) ids.add(basename(own));
    else if (await hasOpenFileIn(vmm.pid, join(vmsDir, vmId))) ids.add(vmId);
  }
  return [...ids];
}

async function allFirecrackers(isMeant: (vmId: string) => boolean): Promise<FoundFirecracker[]> {
  const prefix = instanceId('');
  const idOf = (argv: readonly string[]): string | undefined => {
    const [id] = valuesOf(argv, '--id');
    if (!id?.startsWith(prefix) || valuesOf(argv, '--api-sock').length === 0) return undefined;
    return id.slice(prefix.length);
  };
  const found = await findVmms((argv) => {
    const vmId = idOf(argv);
    return vmId !== undefined && isMeant(vmId);
  });
  return await Promise.all(
    found.map(async ({ vmm, argv }) => ({
      vmm,
      vmId: idOf(argv) ?? '',
      runtimeDir: await runtimeDirOf(vmm.pid, valuesOf(argv, '--api-sock')[0] ?? ''),
    })),
  );
}

/** A socket whose path is too long is named by the working folder. */
async function runtimeDirOf(pid: number, apiSocket: string): Promise<string> {
  const folder = dirname(apiSocket);
  return folder === '/proc/self/cwd' ? ((await linkOf(`/proc/${pid}/cwd`)) ?? folder) : folder;
}

async function hasOpenFileIn(pid: number, folder: string): Promise<boolean> {
  const names = await readdir(`/proc/${pid}/fd`).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return [];
    throw error;
  });
  const links = await Promise.all(names.map((name) => linkOf(`/proc/${pid}/fd/${name}`)));
  return links.some((link) => link?.startsWith(`${folder}/`));
}

async function linkOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ESRCH', 'EACCES', 'EPERM')) return undefined;
    throw error;
  }
}
