import type { Vms } from '../world.ts';

/**
 * The processes of VMMs whose guests have a network. It is the VMM that opens a guest's connections, as a
 * program of the user, so the user alone does not tell them from other programs'.
 */
export function networkedVmms({ live, records }: Pick<Vms, 'live' | 'records'>): number[] {
  return live.ids().flatMap((vmId) => (records.get(vmId)?.nat ? (live.get(vmId)?.vmm.pid ?? []) : []));
}
