import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BootSource, VmSpec } from '../../../src/core/ports/vmm/spec.ts';
import type { DriverOptions } from './drivers.ts';

/** Abilities that a driver may lack. The tests of those that it lacks are skipped with the reason. */
export type Ability =
  /** drives reach a guest */
  | 'drives'
  /** it boots a kernel, which must therefore exist */
  | 'kernel'
  /** drives take real space, so the host can have too little */
  | 'blocks'
  /** drives are copies of what is in a cache */
  | 'cache'
  /** the guest can panic */
  | 'panic'
  /** the guest has a network interface of its own */
  | 'network';

/** Everything that the suite needs of a driver. */
export interface DriverFixture {
  driver: DriverOptions;
  /** folder for all files of the suite */
  dir: string;
  boot: BootSource;
  accelerator: VmSpec['accelerator'];
  /** `ms` in which a guest answers, even on a busy host */
  bootDeadlineMs: number;
  lacks: Partial<Readonly<Record<Ability, string>>>;
  /** pids of all VMMs whose files are under `dir` */
  processes(): Promise<number[]>;
}

/** Pids of processes that have `flag` and a path under `dir` among their arguments. */
export async function processesWith(flag: string, dir: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0');
      return argv.some((word, at) => word === flag && argv[at + 1]?.startsWith(`${dir}/`))
        ? Number(pid)
        : undefined;
    }),
  );
  return found.filter((pid) => pid !== undefined);
}

/** Where the files of one VM of the suite are. */
export interface VmPlace {
  spec: VmSpec;
  vmDir: string;
}

/** The spec of a new VM without drives. Makes its folders. */
export async function newPlace({
  dir,
  boot,
  accelerator,
}: Pick<DriverFixture, 'dir' | 'boot' | 'accelerator'>): Promise<VmPlace> {
  const number = (await readdir(dir)).filter((name) => /^v\d+$/.test(name)).length;
  const vmId = String(number).padStart(12, '0');
  const vmDir = join(dir, `v${number}`);
  const runtimeDir = join(vmDir, 'r');
  const baseDir = join(dir, `b${number}`);
  for (const folder of [runtimeDir, baseDir]) await mkdir(folder, { recursive: true, mode: 0o700 });
  const spec: VmSpec = {
    vmId,
    vcpuCount: 1,
    memoryMib: 256,
    accelerator,
    bootSource: boot,
    drives: [],
    network: { mode: 'none' },
    runtimeDir,
    baseDir,
    consoleLogPath: join(vmDir, 'console.log'),
    vmmLogPath: join(vmDir, 'vmm.log'),
  };
  return { spec, vmDir };
}

/** Files for the two read-only drives, made once; their first bytes are their names. */
export async function readOnlyFiles({
  dir,
}: DriverFixture): Promise<{ rootfsPath: string; modulesPath: string }> {
  const paths = { rootfsPath: join(dir, 'rootfs.ext4'), modulesPath: join(dir, 'modules.ext4') };
  for (const path of Object.values(paths)) {
    const content = Buffer.alloc(1024 * 1024);
    content.write(path === paths.rootfsPath ? 'the-root' : 'the-modules');
    await writeFile(path, content, { mode: 0o444 }).catch(() => {});
  }
  return paths;
}
