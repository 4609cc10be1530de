import { guestForkMs } from '../floor/guest-fork.ts';
import type { Measurement } from '../measurement.ts';
import { medianSpans, SPAN_RUNS, spansOf } from '../spans.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timed, timeOf } from '../timing.ts';
import { withVm } from '../with-vm.ts';

/** A command that does nothing, in a VM that runs. */
export const execRoundTrip: Measurement = {
  name: 'exec-round-trip',
  run: (lab, { isQuick, signal }) =>
    withVm(lab, { signal }, async (vm) => {
      const runs = isQuick ? 10 : 40;
      const run = async (): Promise<void> => {
        using session = await lab.client.exec(vm.id, { argv: ['true'] }, { signal });
        await session.collect();
      };
      const viaApi = await repeat(runs, () => timed(run));
      const argv = [lab.banger, 'vm', 'exec', vm.name, '--', 'true'] as const;
      const node: number[] = [];
      // In turns, because the speed of the machine varies.
      const viaCli = await repeat(runs, async () => {
        node.push(await timeOf([lab.node, '-e', '0'], { env: lab.env, signal }));
        return await timeOf(argv, { env: lab.env, signal });
      });
      const fork = await guestForkMs(lab, vm, { signal });
      const spanArgv = [lab.banger, 'vm', 'exec', '--json', '--timings', vm.name, '--', 'true'] as const;
      const spans = await repeat(SPAN_RUNS, () => spansOf(spanArgv, { env: lab.env, signal }));
      return [
        {
          name: 'exec',
          what: '`banger vm exec VM -- true`, the whole process',
          unit: 'ms',
          ...firstAndRest(viaCli),
          floor: median(node) + fork,
          floorIs: '`node -e 0` + fork and exec in the guest',
          runs,
          goals: [{ median: 110 }, { ratio: 1.5 }],
          spans: medianSpans(spans),
        },
        {
          name: 'exec-through-api',
          what: 'exec of `true` through the API',
          unit: 'ms',
          ...firstAndRest(viaApi),
          floor: fork,
          floorIs: 'fork and exec in the guest',
          runs,
        },
      ];
    }),
};
