import { rm } from 'node:fs/promises';
import { listStaleStaging, sweepStaging } from '../../../base/files/staging.ts';
import { plural } from '../../../base/text/words.ts';
import { findLeftovers, removeLeftovers } from '../../../core/vms/recovery/leftovers.ts';
import type { Check, DoctorHost } from '../check.ts';

/** Nothing remains of deleted VMs or killed work. */
export const checkLeftovers: Check = {
  name: 'leftovers',
  async run(host) {
    const details = await namesOf(host);
    if (details.length === 0) return { status: 'pass', message: 'no stale files or processes' };
    return {
      status: 'warn',
      message: plural(details.length, 'stale file or process', 'stale files or processes'),
      details,
      fix: 'banger doctor --fix',
    };
  },
  async fix({ world, settings: { paths } }, options) {
    const removed = await removeLeftovers(world, { ...options, ...paths });
    const stale = await listStaleStaging(paths.workspaceTempDir);
    await sweepStaging(paths.workspaceTempDir, {
      removeTree: (dir) => rm(dir, { recursive: true, force: true }),
    });
    await world.images.prune(options);
    return [...removed.map(({ what }) => what), ...stale];
  },
};

async function namesOf({ world, settings: { paths } }: DoctorHost): Promise<string[]> {
  const leftovers = await findLeftovers(world, paths);
  return [...leftovers.map(({ what }) => what), ...(await listStaleStaging(paths.workspaceTempDir))];
}
