import { findUnfitGuests } from '../../../core/vms/recovery/unfit-saved.ts';
import type { Check } from '../check.ts';

/** Suspended VMs and snapshots fit the VMM, the processor and the version of banger that are here now. */
export const checkSavedGuests: Check = {
  name: 'saved-guests',
  async run({ world }, options) {
    const { count, unfit } = await findUnfitGuests(world, options);
    if (unfit.length === 0) {
      return { status: 'pass', message: count === 0 ? 'there are none' : `${count}, all fit this host` };
    }
    return {
      status: 'warn',
      message: `${unfit.length} of ${count} cannot be restored here any more`,
      details: unfit.map(({ name, problem }) => `${name}: ${problem}`),
      fix: 'install what they were saved with again, or use their disks alone: banger vm start --cold, banger vm snapshot restore --cold',
    };
  },
};
