import { basename, dirname } from 'node:path';
import type { VmmProcess } from '../../../core/ports/vmm/running-vm.ts';
import type { VmSpec } from '../../../core/ports/vmm/spec.ts';
import { findVmms, valuesOf } from '../vmm-process.ts';
import { escaped, guestName } from './launch/argv.ts';
import { type RuntimeFiles, runtimeFiles } from './runtime-files.ts';

/** A running QEMU, and the paths of its files. */
export interface FoundQemu {
  vmm: VmmProcess;
  files: RuntimeFiles;
}

/** What identifies a VM's QEMU. */
export type QemuPlace = Pick<VmSpec, 'vmId' | 'runtimeDir' | 'consoleLogPath'>;

/**
 * The QEMU processes of one VM: those with its pid file, and those with its name that use its folder. The
 * second rule finds processes whose runtime folder is elsewhere: those of earlier versions, and those started
 * while the state folder could hold no sockets.
 */
export async function findQemus({ vmId, runtimeDir, consoleLogPath }: QemuPlace): Promise<FoundQemu[]> {
  const { pidFile } = runtimeFiles(runtimeDir);
  const found = await findVmms(
    (argv) =>
      valuesOf(argv, '-pidfile').includes(pidFile) ||
      (vmIdOf(argv) === vmId && usesFolder(argv, dirname(consoleLogPath))),
  );
  return found.map(({ vmm, argv }) => ({
    vmm,
    files: runtimeFiles(dirname(valuesOf(argv, '-pidfile')[0] ?? pidFile)),
  }));
}

/**
 * Ids of the VMs that a QEMU of this user runs: its pid file is in a folder of `vmRuntimeDir`, or the VM's
 * folder is one of `vmsDir`. Without duplicates.
 */
export async function findQemuVmIds({
  vmRuntimeDir,
  vmsDir,
}: {
  vmRuntimeDir: string;
  vmsDir: string;
}): Promise<string[]> {
  const ids = new Set<string>();
  for (const { argv } of await findVmms(() => true)) {
    for (const path of valuesOf(argv, '-pidfile')) {
      if (dirname(dirname(path)) === vmRuntimeDir) ids.add(basename(dirname(path)));
    }
    const vmId = vmIdOf(argv);
    if (vmId !== undefined && usesFolder(argv, `${vmsDir}/${vmId}`)) ids.add(vmId);
  }
  return [...ids];
}

function vmIdOf(argv: readonly string[]): string | undefined {
  const prefix = `guest=${guestName('')}`;
  const [name] = valuesOf(argv, '-name');
  return name?.startsWith(prefix) ? name.slice(prefix.length).split(',')[0] : undefined;
}

/** True when an argument is a path in `folder`: a drive or a log. */
function usesFolder(argv: readonly string[], folder: string): boolean {
  const names = [`${folder}/`, escaped(`${folder}/`), JSON.stringify(`${folder}/`).slice(1, -1)];
  return argv.some((word) => names.some((name) => word.includes(name)));
}
