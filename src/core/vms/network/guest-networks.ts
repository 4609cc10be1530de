import type { Vms } from '../world.ts';

/**
 * The processes that open guests' connections, as programs of the user: so the user alone does not tell their
 * connections from other programs'. Of a guest that an earlier version of banger connected, that is its VMM.
 */
export function guestNetworks({ live }: Pick<Vms, 'live'>): number[] {
  return live.ids().flatMap((vmId) => live.get(vmId)?.networkProcess?.pid ?? []);
}
