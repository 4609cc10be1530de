import { isAppError, messageOf } from '../../../base/errors.ts';
import type { Check } from '../check.ts';

/** Guests can be connected to the outside. */
export const checkNat: Check = {
  name: 'nat',
  async run({ world }, options) {
    try {
      const { isUsable, reason } = await world.drivers[0].probeNetwork(options);
      if (isUsable) return { status: 'pass', message: 'guests have a network with --nat' };
      return {
        status: 'warn',
        message: `no --nat: ${reason ?? 'it is not usable here'}`,
        fix: 'install banger again: its program banger-host is missing or cannot run here',
      };
    } catch (error) {
      // The VMM's own check reports what is wrong with it.
      if (!isAppError(error)) throw error;
      return { status: 'warn', message: `not known: ${messageOf(error)}` };
    }
  },
};
