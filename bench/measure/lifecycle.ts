import type { Abortable } from '../../src/base/abort.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { resultOf } from '../../src/sdk/work.ts';
import type { Lab } from '../lab.ts';
import type { Measurement } from '../measurement.ts';
import { medianSpans, SPAN_RUNS, type Span, spansOf } from '../spans.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timeOf } from '../timing.ts';

const FEW = 2;
const MANY = 200;

/** Ending VMs that are well, and listing many, from Enter to the end. */
export const lifecycle: Measurement = {
  name: 'lifecycle',
  async run(lab, { isQuick, signal }) {
    const runs = isQuick ? 5 : 20;
    const options = { env: lab.env, signal };
    const end = async (verb: 'stop' | 'delete'): Promise<number> => {
      const vm = await resultOf(lab.client.createVm({}, { signal }));
      const ms = await timeOf([lab.banger, 'vm', verb, vm.name], options);
      if (verb === 'stop') await resultOf(lab.client.deleteVm(vm.id, { signal }));
      return ms;
    };
    const spansOfEnd = async (verb: 'stop' | 'delete'): Promise<Span[]> => {
      const vm = await resultOf(lab.client.createVm({}, { signal }));
      const spans = await spansOf([lab.banger, 'vm', verb, vm.name, '--json', '--timings'], options);
      if (verb === 'stop') await resultOf(lab.client.deleteVm(vm.id, { signal }));
      return spans;
    };
    const stops = await repeat(runs + 1, () => end('stop'));
    const deletes = await repeat(runs + 1, () => end('delete'));
    const stopSpans = await repeat(SPAN_RUNS, () => spansOfEnd('stop'));
    const deleteSpans = await repeat(SPAN_RUNS, () => spansOfEnd('delete'));
    const node = median(await repeat(runs, () => timeOf([lab.node, '-e', '0'], options)));
    const { few, many } = await listTimes(lab, { runs, signal });
    const floor = { floor: node, floorIs: '`node -e 0`' };
    return [
      {
        what: '`banger vm stop VM`, nothing of yours running in it, the whole process',
        unit: 'ms',
        ...firstAndRest(stops),
        ...floor,
        runs,
        goals: [{ median: 400 }],
        spans: medianSpans(stopSpans),
      },
      {
        what: '`banger vm delete VM` of a VM that runs, the whole process',
        unit: 'ms',
        ...firstAndRest(deletes),
        ...floor,
        runs,
        goals: [{ median: 300 }],
        spans: medianSpans(deleteSpans),
      },
      {
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
  // Half of them before and half after, for the machine is not as fast at every moment.
  const after = await repeat(Math.ceil(runs / 2), list);
  await downTo(0);
  return { few: [...before, ...after], many };
}
