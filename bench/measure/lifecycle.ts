import { resultOf } from '../../src/sdk/work.ts';
import type { Measurement } from '../measurement.ts';
import { medianSpans, SPAN_RUNS, type Span, spansOf } from '../spans.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timeOf } from '../timing.ts';

/** Ends of VMs that work, each a whole process. */
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
    const floor = { floor: node, floorIs: '`node -e 0`' };
    return [
      {
        name: 'stop',
        what: '`banger vm stop VM`, nothing of yours running in it, the whole process',
        unit: 'ms',
        ...firstAndRest(stops),
        ...floor,
        runs,
        goals: [{ median: 400 }],
        spans: medianSpans(stopSpans),
      },
      {
        name: 'delete',
        what: '`banger vm delete VM` of a VM that runs, the whole process',
        unit: 'ms',
        ...firstAndRest(deletes),
        ...floor,
        runs,
        goals: [{ median: 300 }],
        spans: medianSpans(deleteSpans),
      },
    ];
  },
};
