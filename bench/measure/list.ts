import type { Abortable } from '../../src/base/abort.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { resultOf } from '../../src/sdk/work.ts';
import type { Lab } from '../lab.ts';
import type { Measurement } from '../measurement.ts';
import { median } from '../stats.ts';
import { repeat, timeOf } from '../timing.ts';

const FEW = 2;
const MANY = 200;

/** Listing many VMs, none of which runs. */
export const list: Measurement = {
  name: 'list',
  async run(lab, { isQuick, signal }) {
    const runs = isQuick ? 5 : 20;
    const { few, many } = await listTimes(lab, { runs, signal });
    return [
      {
        name: 'list',
        what: `\`banger vm list --all\` with ${MANY} VMs, the whole process`,
        unit: 'ms',
        median: median(many),
        floor: median(few),
        floorIs: `the same with ${FEW} VMs`,
        runs,
        goals: [{ ratio: 1.2 }],
      },
    ];
  },
};

async function listTimes(
  lab: Lab,
  { runs, signal }: Abortable & { runs: number },
): Promise<{ few: number[]; many: number[] }> {
  const made: Vm[] = [];
  const upTo = async (count: number): Promise<void> => {
    while (made.length < count) made.push(await resultOf(lab.client.createVm({ noStart: true }, { signal })));
  };
  const list = (): Promise<number> => timeOf([lab.banger, 'vm', 'list', '--all'], { env: lab.env, signal });
  const downTo = async (count: number): Promise<void> => {
    for (const { id } of made.splice(count)) await resultOf(lab.client.deleteVm(id, { signal }));
  };
  await upTo(FEW);
  const before = await repeat(Math.ceil(runs / 2), list);
  await upTo(MANY);
  const many = await repeat(runs, list);
  await downTo(FEW);
  // Half of them before and half after, because the speed of the machine varies.
  const after = await repeat(Math.ceil(runs / 2), list);
  await downTo(0);
  return { few: [...before, ...after], many };
}
