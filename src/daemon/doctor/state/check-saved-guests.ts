import { findUnfitGuests } from '../../../core/vms/recovery/unfit-saved.ts';
import type { Check } from '../check.ts';

/** Suspended VMs and snapshots fit the installed VMM and banger, and this processor. */
export const checkSavedGuests: Check = {
  name: 'saved-guests',
  async run({ world }, options) {
    const { count, unfit } = await findUnfitGuests(world, options);
    if (unfit.length === 0) {
      return { status: 'pass', message: count === 0 ? 'there are none' : `${count}, all fit this host` };
    }
    return {
      status: 'warn',
      message: `${unfit.length} of ${count} can no longer be restored here`,
      details: unfit.map(({ name, problem }) => `${name}: ${problem}`),
      fix: 'reinstall what they were saved with, or use only their disks: banger vm start --cold, banger vm snapshot restore --cold',
    };
  },
};
