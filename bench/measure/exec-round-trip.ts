import type { Measurement } from '../measurement.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timed, timeOf } from '../timing.ts';
import { withVm } from '../with-vm.ts';

/** Forks in the guest for the floor: enough that the clock's grain does not matter. */
const FORKS = 20;
const FORK_SCRIPT = `
begun=$(date +%s%N)
for i in $(seq ${FORKS}); do /bin/true; done
echo $(( ($(date +%s%N) - begun) / ${FORKS} ))
`;

/** A command that does nothing, in a VM that runs. */
export const execRoundTrip: Measurement = {
  name: 'exec-round-trip',
  run: (lab, { isQuick, signal }) =>
    withVm(lab, { signal }, async (vm) => {
      const runs = isQuick ? 10 : 40;
      const run = async (argv: [string, ...string[]]): Promise<string> => {
        using session = await lab.client.exec(vm.id, { argv }, { signal });
        session.end();
        let text = '';
        for await (const part of session.output()) if (part.kind === 'stdout') text += String(part.chunk);
        return text;
      };
      const viaApi = await repeat(runs, () => timed(() => run(['true'])));
      const argv = [lab.banger, 'vm', 'exec', vm.name, '--', 'true'] as const;
      const viaCli = await repeat(runs, () => timeOf(argv, { env: lab.env, signal }));
      const node = await repeat(runs, () => timeOf([lab.node, '-e', '0'], { env: lab.env, signal }));
      const forks = await repeat(3, async () => Number(await run(['sh', '-c', FORK_SCRIPT])) / 1e6);
      const fork = median(forks);
      return [
        {
          what: '`banger vm exec VM -- true`, the whole process',
          unit: 'ms',
          ...firstAndRest(viaCli),
          floor: median(node) + fork,
          floorIs: '`node -e 0` + fork and exec in the guest',
          runs,
          goal: { median: 150 },
        },
        {
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
