import { statfs } from 'node:fs/promises';
import { formatSize } from '../../base/size.ts';
import type { Check } from './check.ts';

/** Below this even a small VM does not last. */
const LEAST_BYTES = 2 ** 30;

/** There is room for a VM that fills its disks. */
export const checkDiskSpace: Check = {
  name: 'disk space',
  async run({ settings, world }) {
    const { bavail, bsize } = await statfs(settings.paths.stateDir);
    const freeBytes = bavail * bsize;
    const { diskSizeBytes, systemOverlaySizeBytes } = world.defaults;
    const fullBytes = diskSizeBytes + systemOverlaySizeBytes;
    const where = `${formatSize(freeBytes)} free in ${settings.paths.stateDir}`;
    if (freeBytes < LEAST_BYTES) return { status: 'fail', message: where, fix: 'free some disk space' };
    if (freeBytes >= fullBytes) return { status: 'pass', message: where };
    return {
      status: 'warn',
      message: `${where}; one VM with the default sizes may grow to ${formatSize(fullBytes)}`,
      fix: 'free some disk space, or set smaller sizes in [vm_defaults]',
    };
  },
};
