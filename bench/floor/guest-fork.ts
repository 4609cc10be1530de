import type { Abortable } from '../../src/base/abort.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import type { Lab } from '../lab.ts';
import { median } from '../stats.ts';
import { repeat } from '../timing.ts';

/** Forks that are timed together: enough that the clock's grain does not matter. */
const FORKS = 20;
const SCRIPT = `
begun=$(date +%s%N)
for i in $(seq ${FORKS}); do /bin/true; done
echo $(( ($(date +%s%N) - begun) / ${FORKS} ))
`;

/** Returns the `ms` that fork and exec of an empty program take inside the guest. */
export async function guestForkMs({ client }: Lab, { id }: Vm, { signal }: Abortable): Promise<number> {
  const once = async (): Promise<number> => {
    using session = await client.exec(id, { argv: ['sh', '-c', SCRIPT] }, { signal });
    return Number((await session.collect()).stdout.toString()) / 1e6;
  };
  return median(await repeat(3, once));
}
