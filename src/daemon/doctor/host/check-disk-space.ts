import { stat, statfs } from 'node:fs/promises';
import { isErrno } from '../../../base/errors.ts';
import type { VmRecord } from '../../../core/ports/records.ts';
import type { Check } from '../check.ts';

/** With less than this, even a small VM soon fails. */
const LEAST_BYTES = 2 ** 30;

/** There is room for the existing VMs and a new one to fill their disks. */
export const checkDiskSpace: Check = {
  name: 'disk space',
  async run({ settings, world }) {
    const { bavail, bsize } = await statfs(settings.paths.stateDir);
    const freeBytes = bavail * bsize;
    const { diskSizeBytes, systemOverlaySizeBytes } = world.defaults;
    const newBytes = diskSizeBytes + systemOverlaySizeBytes;
    const vms = await Promise.all(world.records.list().map(growthOf));
    const growthBytes = vms.reduce((sum, { leftBytes }) => sum + leftBytes, 0);
    const details = vms.map(({ name, leftBytes }) => `${name} may grow by ${rounded(leftBytes)}`);
    const where = `${rounded(freeBytes)} free in ${settings.paths.stateDir}`;
    if (freeBytes < LEAST_BYTES)
      return { status: 'fail', message: where, fix: 'free some disk space', details };
    const wanted = `VMs may still grow by ${rounded(growthBytes)}, a new one to ${rounded(newBytes)}`;
    if (freeBytes >= growthBytes + newBytes) {
      return { status: 'pass', message: `${where}; ${wanted}`, details };
    }
    return {
      status: 'warn',
      message: `${where}, but ${wanted}`,
      fix: 'free some disk space, delete VMs, or set smaller sizes in [vm_defaults]',
      details,
    };
  },
};

/**
 * How much the drives of a VM may still grow on this host, in `bytes`: their configured sizes minus what they
 * occupy.
 */
async function growthOf({ name, drives = [] }: VmRecord): Promise<{ name: string; leftBytes: number }> {
  const left = await Promise.all(
    drives
      .filter(({ isReadOnly }) => !isReadOnly)
      .map(async ({ pathOnHost, sizeBytes }) => Math.max(0, sizeBytes - (await takenBytes(pathOnHost)))),
  );
  return { name, leftBytes: left.reduce((sum, bytes) => sum + bytes, 0) };
}

async function takenBytes(path: string): Promise<number> {
  try {
    // stat(2): blocks of 512 bytes, whatever the file system's own block size.
    return (await stat(path)).blocks * 512;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}

/** For people: in MiB or GiB, with one decimal. */
function rounded(bytes: number): string {
  const mib = bytes / 2 ** 20;
  return mib < 1024 ? `${Math.round(mib)}M` : `${(mib / 1024).toFixed(1)}G`;
}
