import type { Abortable } from '../../src/base/abort.ts';
import { sleep } from '../../src/base/abort.ts';
import { invariant } from '../../src/base/errors.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { resultOf } from '../../src/sdk/work.ts';
import { commandLineOf, memoryPathIn } from '../floor/saved-guest.ts';
import type { Lab } from '../lab.ts';
import type { Measurement, Row } from '../measurement.ts';
import { type UniqueMemory, uniqueMemoryOf } from '../process-memory.ts';

const MEMORY_MIB = 512;
const COUNTS = [1, 4, 10];

/** `ms` of quiet before memory is read. */
const SETTLE_MS = 15_000;
const QUICK_SETTLE_MS = 3_000;

/** Memory of each further idle VM of one template: the pages that only it has. */
export const cloneMemory: Measurement = {
  name: 'clone-memory',
  async run(lab, { isQuick, signal }) {
    const vms: Vm[] = [];
    const rows: Row[] = [];
    try {
      for (const count of COUNTS) {
        while (vms.length < count) {
          const shape = { memoryMib: MEMORY_MIB, diskSizeBytes: 2 ** 30 };
          vms.push(await resultOf(lab.client.createVm(shape, { signal })));
        }
        await sleep(isQuick ? QUICK_SETTLE_MS : SETTLE_MS, { signal });
        rows.push(await rowOf(vms));
      }
    } finally {
      await deleteAll(lab, vms, { signal });
    }
    return rows;
  },
};

async function rowOf(vms: readonly Vm[]): Promise<Row> {
  const all = await Promise.all(vms.map(memoryOfVm));
  const mean = (pick: (one: UniqueMemory) => number): number =>
    all.reduce((sum, one) => sum + pick(one), 0) / all.length;
  return {
    name: `memory-of-${vms.length}-clones`,
    what: `each of ${vms.length} idle VMs of one template of ${MEMORY_MIB} MiB, unique (private dirty)`,
    unit: 'MiB',
    median: mean(({ allMib }) => allMib),
    floor: mean(({ ofFileMib }) => ofFileMib),
    floorIs: 'pages of the guest alone, which is what is left with KVM',
    runs: vms.length,
    goals: [{ median: 60 }],
  };
}

async function memoryOfVm(vm: Vm): Promise<UniqueMemory> {
  invariant(vm.runtime, 'a VM that was started has a VMM');
  return await uniqueMemoryOf(vm.runtime.pid, memoryPathIn(await commandLineOf(vm)));
}

async function deleteAll({ client }: Lab, vms: readonly Vm[], options: Abortable): Promise<void> {
  for (const { id } of vms) await resultOf(client.deleteVm(id, options));
}
