import { join } from 'node:path';
import type { Abortable } from '../../src/base/abort.ts';
import { invariant } from '../../src/base/errors.ts';
import { resolvePaths } from '../../src/config/settings.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { resultOf } from '../../src/sdk/work.ts';
import { migrationFloorMs } from '../floor/migration.ts';
import {
  commandLineOf,
  RESTORE_FLOOR,
  restoreFloorMs,
  type SavedGuest,
  suspendedGuest,
} from '../floor/saved-guest.ts';
import type { Lab } from '../lab.ts';
import type { Effort, Measurement, Row } from '../measurement.ts';
import { medianSpans, type Span, spansOf } from '../spans.ts';
import { median } from '../stats.ts';
import { repeat, timed, timeOf, timeToFirstOutput } from '../timing.ts';

const MEMORY_MIB = 512;
/** Fills memory of the guest, so that about 200 MB are in use. */
const BALLAST = 'head -c 100000000 /dev/urandom > /dev/shm/ballast';
const FORKS = 10;
const MIGRATION_FLOOR = "QEMU's own migration of that guest through a socket into a file";

/** Fork, suspend and resume of a running VM, as whole processes of the command line. */
export const suspendFork: Measurement = {
  name: 'suspend-fork',
  async run(lab, effort) {
    const { signal } = effort;
    const shape = { memoryMib: MEMORY_MIB, diskSizeBytes: 2 ** 30 };
    const vm = await resultOf(lab.client.createVm(shape, { signal }));
    try {
      await runIn(lab, vm, { script: BALLAST, signal });
      const forks = await measureForks(lab, vm, effort);
      const { suspends, resumes, ...spans } = await measureSuspend(lab, vm, effort);
      const floors = await measureFloors(lab, vm, effort);
      const row = (
        name: string,
        values: number[],
        more: Omit<Row, 'name' | 'unit' | 'median' | 'runs'>,
      ): Row => ({
        name,
        unit: 'ms',
        median: median(values),
        runs: values.length,
        ...more,
      });
      const firstFork = {
        floor: floors.migration + floors.restore,
        floorIs: `${MIGRATION_FLOOR} + ${RESTORE_FLOOR}`,
      };
      return [
        row('fork', forks.first, {
          what: `fork of a VM of ${MEMORY_MIB} MiB, 200 MB in use, to the first fork's output`,
          ...firstFork,
          goals: [{ median: 2000 }, { ratio: 1.5 }],
          spans: forks.spans.ofOne,
        }),
        row('further-fork', forks.further, {
          what: 'each further fork of the same moment, ready',
          floor: floors.restore,
          floorIs: RESTORE_FLOOR,
          goals: [{ median: 600 }, { ratio: 1.5 }],
          spans: forks.spans.ofFurther,
        }),
        row('many-forks', forks.many, {
          what: `${FORKS} forks, all of them answering, then deleted`,
          floor: floors.migration + floors.many,
          floorIs: `${MIGRATION_FLOOR} + ${FORKS} bare QEMUs at once that continue from it`,
          goals: [{ median: 8000 }, { ratio: 1.5 }],
          spans: forks.spans.ofMany,
        }),
        row('suspend', suspends, {
          what: 'suspend of that VM',
          floor: floors.migration,
          floorIs: MIGRATION_FLOOR,
          goals: [{ median: 1500 }, { ratio: 1.5 }],
          spans: spans.suspend,
        }),
        row('resume', resumes, {
          what: 'resume, and a first command',
          floor: floors.restore,
          floorIs: RESTORE_FLOOR,
          goals: [{ median: 800 }, { ratio: 1.5 }],
          spans: spans.resume,
        }),
      ];
    } finally {
      await resultOf(lab.client.deleteVm(vm.id, { signal }));
    }
  },
};

async function measureForks(lab: Lab, vm: Vm, { isQuick, signal }: Effort) {
  const runs = isQuick ? 2 : 5;
  const options = { env: lab.env, signal };
  const fork = [lab.banger, 'vm', 'fork', vm.name] as const;
  const first = await repeat(runs, async () => {
    const { ms } = await timeToFirstOutput([...fork, '--rm', '--', 'echo', 'up'], options);
    return ms;
  });
  const further = await repeat(runs, async () => {
    const one = await forkMs(lab, vm, { count: 1, signal });
    const three = await forkMs(lab, vm, { count: 3, signal });
    return (three - one) / 2;
  });
  const many = await repeat(isQuick ? 1 : 2, () =>
    timeOf([...fork, '-n', String(FORKS), '--rm', '--', 'true'], options),
  );
  const ofOne = medianSpans(await repeat(runs, () => forkSpans(lab, vm, { count: 1, signal })));
  const ofMany = medianSpans(
    await repeat(isQuick ? 1 : 2, () => forkSpans(lab, vm, { count: FORKS, signal })),
  );
  const ofFurther = ofMany.map(({ stage, ms }) => {
    const once = ofOne.find((span) => span.stage === stage)?.ms ?? 0;
    return { stage, ms: Math.max(0, ms - once) / (FORKS - 1) };
  });
  return { first, further, many, spans: { ofOne, ofMany, ofFurther } };
}

async function measureSuspend(lab: Lab, { name }: Vm, { isQuick, signal }: Effort) {
  const options = { env: lab.env, signal };
  const banger = (...words: string[]) => [lab.banger, 'vm', ...words] as const;
  const spans: Record<'suspend' | 'resume', Span[][]> = { suspend: [], resume: [] };
  const suspends: number[] = [];
  const resumes = await repeat(isQuick ? 2 : 5, async () => {
    suspends.push(await timeOf(banger('suspend', name), options));
    const resumed = await timed(async () => {
      await timeOf(banger('resume', name), options);
      await timeOf(banger('exec', name, '--', 'true'), options);
    });
    spans.suspend.push(await spansOf(banger('suspend', name, '--json', '--timings'), options));
    const going = await spansOf(banger('resume', name, '--json', '--timings'), options);
    const command = await spansOf(banger('exec', name, '--json', '--timings', '--', 'true'), options);
    spans.resume.push([...going, ...command.map(({ stage, ms }) => ({ stage: `exec: ${stage}`, ms }))]);
    return resumed;
  });
  return { suspends, resumes, suspend: medianSpans(spans.suspend), resume: medianSpans(spans.resume) };
}

/** Suspends the running VM and leaves it suspended. */
async function measureFloors(lab: Lab, { id }: Vm, { isQuick, signal }: Effort) {
  const argv = await commandLineOf(await lab.client.showVm(id, { signal }));
  await resultOf(lab.client.suspendVm(id, { signal }));
  const folder = join(resolvePaths(lab.env).vmsDir, id, 'suspended');
  const guest: SavedGuest = await suspendedGuest(argv, { folder, dir: lab.scratch });
  const options = { dir: lab.scratch, signal };
  const runs = isQuick ? 2 : 5;
  return {
    restore: median(await repeat(runs, () => restoreFloorMs(guest, options))),
    migration: median(await repeat(runs, () => migrationFloorMs(guest, options))),
    many: median(await repeat(isQuick ? 1 : 2, () => restoreFloorMs(guest, { ...options, count: FORKS }))),
  };
}

/** Where the time of making so many forks goes; deleting them is not counted. */
async function forkSpans(
  { client, banger, env }: Lab,
  { name }: Vm,
  { count, signal }: Abortable & { count: number },
): Promise<Span[]> {
  const known = new Set((await client.listVms({ isAll: true, signal })).map(({ id }) => id));
  const argv = [banger, 'vm', 'fork', name, '-n', String(count), '--json', '--timings'] as const;
  const spans = await spansOf(argv, { env, signal });
  for (const { id } of await client.listVms({ isAll: true, signal })) {
    if (!known.has(id)) await resultOf(client.deleteVm(id, { signal }));
  }
  return spans;
}

/** `ms` to make so many forks; deleting them is not counted. */
async function forkMs(
  { client }: Lab,
  { id }: Vm,
  { count, signal }: Abortable & { count: number },
): Promise<number> {
  const begun = performance.now();
  const { vms } = await resultOf(client.forkVm(id, { count }, { signal }));
  const ms = performance.now() - begun;
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
