import type { Abortable } from '../../src/base/abort.ts';
import { invariant } from '../../src/base/errors.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { resultOf } from '../../src/sdk/work.ts';
import { guestForkMs } from '../floor/guest-fork.ts';
import type { Lab } from '../lab.ts';
import type { Measurement, Row } from '../measurement.ts';
import { median } from '../stats.ts';
import { repeat, timed, timeOf, timeToFirstOutput } from '../timing.ts';

const MEMORY_MIB = 512;
/** What the guest holds in memory besides itself, so that about 200 MB are in use. */
const BALLAST = 'head -c 100000000 /dev/urandom > /dev/shm/ballast';
const FORKS = 10;

/** A VM that runs: copied, written to disk, and brought back. Whole processes of the command line. */
export const suspendFork: Measurement = {
  name: 'suspend-fork',
  async run(lab, { isQuick, signal }) {
    const runs = isQuick ? 2 : 5;
    const options = { env: lab.env, signal };
    const vm = await resultOf(
      lab.client.createVm({ memoryMib: MEMORY_MIB, diskSizeBytes: 2 ** 30 }, { signal }),
    );
    await runIn(lab, vm, { script: BALLAST, signal });
    const pauses: number[] = [];
    const first = await repeat(runs, async () => {
      const { ms } = await timeToFirstOutput(
        [lab.banger, 'vm', 'fork', vm.name, '--rm', '--', 'echo', 'up'],
        options,
      );
      return ms;
    });
    const further = await repeat(runs, async () => {
      const one = await forkMs(lab, vm, { count: 1, pauses, signal });
      const three = await forkMs(lab, vm, { count: 3, pauses, signal });
      return (three - one) / 2;
    });
    const many = await repeat(isQuick ? 1 : 2, () =>
      timeOf([lab.banger, 'vm', 'fork', vm.name, '-n', String(FORKS), '--rm', '--', 'true'], options),
    );
    const suspends: number[] = [];
    const resumes = await repeat(runs, async () => {
      suspends.push(await timeOf([lab.banger, 'vm', 'suspend', vm.name], options));
      return await timed(async () => {
        await timeOf([lab.banger, 'vm', 'resume', vm.name], options);
        await timeOf([lab.banger, 'vm', 'exec', vm.name, '--', 'true'], options);
      });
    });
    const node = median(await repeat(runs, () => timeOf([lab.node, '-e', '0'], options)));
    const fork = await guestForkMs(lab, vm, { signal });
    await resultOf(lab.client.deleteVm(vm.id, { signal }));
    const row = (what: string, values: number[], goal: number): Row => ({
      what,
      unit: 'ms',
      median: median(values),
      floor: node + fork,
      floorIs: '`node -e 0` + fork and exec in the guest',
      runs: values.length,
      goal: { median: goal },
    });
    return [
      row(`fork of a VM of ${MEMORY_MIB} MiB, 200 MB in use, to the first fork's output`, first, 2000),
      row('each further fork of the same moment, ready', further, 600),
      row('the source stands still, as the VMM counts it', pauses, 60),
      row(`${FORKS} forks, all of them answering, then deleted`, many, 8000),
      row('suspend of that VM', suspends, 1500),
      row('resume, and a first command', resumes, 800),
    ];
  },
};

/** `ms` to make so many forks; deleting them is not counted. */
async function forkMs(
  { client }: Lab,
  { id }: Vm,
  { count, pauses, signal }: Abortable & { count: number; pauses: number[] },
): Promise<number> {
  const begun = performance.now();
  const { vms, pausedMs } = await resultOf(client.forkVm(id, { count }, { signal }));
  const ms = performance.now() - begun;
  pauses.push(pausedMs);
  for (const fork of vms) await resultOf(client.deleteVm(fork.id, { signal }));
  return ms;
}

async function runIn(
  { client }: Lab,
  { id }: Vm,
  { script, signal }: Abortable & { script: string },
): Promise<void> {
  using session = await client.exec(id, { argv: ['sh', '-c', script] }, { signal });
  const { exit } = await session.collect();
  invariant('code' in exit && exit.code === 0, 'the script of a measurement succeeds');
}
