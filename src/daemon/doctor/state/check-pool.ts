import type { Check } from '../check.ts';

/** How many pool VMs wait for the next start. */
export const checkPool: Check = {
  name: 'pool',
  async run({ world: { pool } }) {
    if (!pool) return { status: 'pass', message: 'no pool VMs: the config file says standby = false' };
    const { vmIds, most } = pool;
    return { status: 'pass', message: `${vmIds.length} of at most ${most} pool VMs wait for the next start` };
  },
};
