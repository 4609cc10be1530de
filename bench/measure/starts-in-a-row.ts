import { poll, sleep } from '../../src/base/abort.ts';
import type { Lab } from '../lab.ts';
import type { Effort, Measurement, Row } from '../measurement.ts';
import { median } from '../stats.ts';
import { repeat, timeOf } from '../timing.ts';

/** Starts of a series. */
const IN_A_ROW = 10;

/** `ms` until the daemon has forgotten earlier starts, on a busy host. */
const ALONE_DEADLINE_MS = 120_000;

/** `ms` between two single starts: longer than the pool takes to make another VM. */
const APART_MS = 3_000;

const FLOOR_IS = 'a single start with a pool VM, in the same run';

/**
 * Starts of VMs one right after another, as a loop in a shell does. Each series begins with one pool VM, as
 * after a pause.
 */
export const startsInARow: Measurement = {
  name: 'starts-in-a-row',
  async run(lab, { isQuick, signal }) {
    const [singles, rounds] = isQuick ? [3, 1] : [10, 3];
    const options = { env: lab.env, signal };
    const start = (): Promise<number> => timeOf([lab.banger, 'vm', 'run', '--rm', '--', 'true'], options);
    await lab.setStandby(true, { signal });
    await start();
    const alone = await repeat(singles, async () => {
      await sleep(APART_MS, { signal });
      await lab.standby({ signal });
      return await start();
    });
    const series = await repeat(rounds, async () => {
      await onePoolVm(lab, { signal });
      return await repeat(IN_A_ROW, start);
    });
    await lab.setStandby(false, { signal });
    const common = {
      unit: 'ms',
      floor: median(alone),
      floorIs: FLOOR_IS,
      runs: rounds,
      goals: [{ ratio: 1.5 }],
    } as const;
    return [
      {
        name: 'starts-in-a-row',
        what: `each of ${IN_A_ROW} \`banger vm run --rm -- true\` one right after another, the whole process`,
        median: median(series.flat()),
        ...common,
      },
      {
        name: 'starts-in-a-row-slowest',
        what: 'the slowest of them',
        median: median(series.map((times) => Math.max(...times))),
        ...common,
      },
    ] satisfies Row[];
  },
};

/** Waits until demand has ended, so that one pool VM is left. */
async function onePoolVm(lab: Lab, { signal }: Pick<Effort, 'signal'>): Promise<void> {
  const look = async (): Promise<true | undefined> => {
    const { pool } = await lab.client.daemonStatus({ signal });
    return pool?.vmIds.length === 1 ? true : undefined;
  };
  await sleep(APART_MS, { signal });
  await poll(look, { everyMs: 200, deadlineMs: ALONE_DEADLINE_MS, what: 'one pool VM', signal });
}
