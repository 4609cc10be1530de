import type { VmRecords } from '../../core/ports/records.ts';
import type { VmState } from '../../protocol/vm.ts';
import type { Zone } from './answer-query.ts';

/** States in which a connection to the VM's address succeeds: it resumes a suspended VM. */
const NAMED: readonly VmState[] = ['running', 'suspending', 'suspended', 'resuming'];

/**
 * The zone `vm`: the address of each VM that runs or is suspended. `probeLabel`, which cannot be a VM's name,
 * has `ownAddress`: with it, a program finds out whether the host's resolver asks this server.
 */
export function vmZone(
  records: Pick<VmRecords, 'list'>,
  { probeLabel, ownAddress }: { probeLabel: string; ownAddress: string },
): Zone {
  return {
    addressOf(label) {
      if (label === probeLabel) return ownAddress;
      const record = records.list().find(({ name }) => name === label);
      return record && NAMED.includes(record.state) ? record.guestIp : undefined;
    },
  };
}
