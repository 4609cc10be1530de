import type { Measurement } from '../measurement.ts';
import { firstAndRest } from '../stats.ts';
import { repeat, timeOf } from '../timing.ts';

/** The command line's own start, which every command pays. */
export const cliStart: Measurement = {
  name: 'cli-start',
  async run({ banger, node, env }, { isQuick, signal }) {
    const runs = isQuick ? 10 : 40;
    // In turns, so that a busy moment of the machine affects both.
    const pairs = await repeat(runs, async () => ({
      ours: await timeOf([banger, 'version'], { env, signal }),
      floor: await timeOf([node, '-e', '0'], { env, signal }),
    }));
    return [
      {
        name: 'version',
        what: '`banger version`',
        unit: 'ms',
        ...firstAndRest(pairs.map(({ ours }) => ours)),
        floor: firstAndRest(pairs.map(({ floor }) => floor)).median,
        floorIs: '`node -e 0`',
        runs,
        goals: [{ ratio: 2.5 }],
      },
    ];
  },
};
