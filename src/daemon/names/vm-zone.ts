import type { ObservedRecords } from '../../core/vms/network/observed-records.ts';
import type { VmState } from '../../protocol/vm.ts';
import type { Zone } from './answer-query.ts';

/** States in which a connection to the VM's address succeeds: it resumes a suspended VM. */
const NAMED: readonly VmState[] = ['running', 'suspending', 'suspended', 'resuming'];

/**
 * The zone `vm`: the address of each VM that runs or is suspended. `probeLabel`, which cannot be a VM's name,
 * has `ownAddress`: with it, a program finds out whether the host's resolver asks this server. Every user of
 * this host may ask as often as they like, so records are read only after a change.
 */
export function vmZone(
  records: Pick<ObservedRecords, 'list' | 'listen'>,
  { probeLabel, ownAddress }: { probeLabel: string; ownAddress: string },
): Zone {
  let addresses: ReadonlyMap<string, string | undefined> | undefined;
  records.listen(() => {
    addresses = undefined;
  });
  return {
    addressOf(label) {
      if (label === probeLabel) return ownAddress;
      addresses ??= new Map(
        records
          .list()
          .filter(({ state }) => NAMED.includes(state))
          .map(({ name, guestIp }) => [name, guestIp]),
      );
      return addresses.get(label);
    },
  };
}
