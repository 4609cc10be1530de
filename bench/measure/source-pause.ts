import { type Abortable, neverAborts, poll, sleep } from '../../src/base/abort.ts';
import { LineSplitter } from '../../src/base/text/line-splitter.ts';
import type { ForkedVms } from '../../src/protocol/api/vm-requests.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { resultOf } from '../../src/sdk/work.ts';
import type { Lab } from '../lab.ts';
import type { Measurement, Row } from '../measurement.ts';
import { median } from '../stats.ts';
import { repeat } from '../timing.ts';

const MEMORY_MIB = 512;
/** Fills memory of the guest, so that about 200 MB are in use. */
const BALLAST = 'head -c 100000000 /dev/urandom > /dev/shm/ballast';

/** Prints its monotonic clock every 2 ms, in nanoseconds. */
const TICKER = `
import os, time
while True:
    os.write(1, b'%d\\n' % time.monotonic_ns())
    time.sleep(0.002)
`;

/** `ms` for the ticker to come up, and of quiet that forks are compared with. */
const WARM_UP_MS = 4_000;
const QUIET_MS = 2_000;

/** `ms` for the next tick to come. */
const TICK_DEADLINE_MS = 10_000;

/** When a tick was made by the guest's clock, and when it came by the host's, in `ms`. */
interface Tick {
  insideMs: number;
  hereMs: number;
}

/** Largest time between two ticks in a row. */
interface Gaps {
  insideMs: number;
  hereMs: number;
}

/**
 * How long a fork pauses its source, seen by a program in the guest and by the output that the host receives.
 */
export const sourcePause: Measurement = {
  name: 'source-pause',
  async run(lab, { isQuick, signal }) {
    const runs = isQuick ? 2 : 10;
    const shape = { memoryMib: MEMORY_MIB, diskSizeBytes: 2 ** 30 };
    const vm = await resultOf(lab.client.createVm(shape, { signal }));
    try {
      using ballast = await lab.client.exec(vm.id, { argv: ['sh', '-c', BALLAST] }, { signal });
      await ballast.collect();
      using ticker = await lab.client.exec(vm.id, { argv: ['python3', '-c', TICKER] }, { signal });
      const ticks: Tick[] = [];
      const reading = collect(ticker, ticks);
      reading.catch(() => {});
      await sleep(WARM_UP_MS, { signal });
      const pauses: number[] = [];
      const quiet: Gaps[] = [];
      const forked: Gaps[] = [];
      await repeat(runs, async () => {
        quiet.push(await gapsDuring(ticks, sleep(QUIET_MS, { signal })));
        const fork = beginFork(lab, vm, { signal });
        forked.push(await gapsDuring(ticks, fork.copied));
        const { vms, pausedMs } = await fork.forking;
        pauses.push(pausedMs);
        for (const { id } of vms) await resultOf(lab.client.deleteVm(id, { signal }));
      });
      const row = (name: string, what: string, pick: (gaps: Gaps) => number): Row => ({
        name,
        what,
        unit: 'ms',
        median: median(forked.map(pick)),
        floor: median(quiet.map(pick)),
        floorIs: 'the same while nothing is forked',
        runs,
        goals: [{ median: 60 }],
      });
      return [
        row(
          'fork-gap-in-guest',
          'a VM is forked: largest gap between ticks of a loop in it, by its own clock',
          ({ insideMs }) => insideMs,
        ),
        row('fork-gap-on-host', 'the same, by when the ticks come to the host', ({ hereMs }) => hereMs),
        {
          ...row('fork-pause', 'the same, as the VMM counts it', ({ insideMs }) => insideMs),
          median: median(pauses),
        },
      ];
    } finally {
      await resultOf(lab.client.deleteVm(vm.id, { signal }));
    }
  },
};

async function collect(ticker: Awaited<ReturnType<Lab['client']['exec']>>, ticks: Tick[]): Promise<void> {
  const lines = new LineSplitter();
  for await (const event of ticker.output()) {
    if (event.kind !== 'stdout') continue;
    const hereMs = performance.now();
    for (const line of lines.push(event.chunk)) ticks.push({ insideMs: Number(line) / 1e6, hereMs });
  }
}

/**
 * Starts a fork. `copied` settles when the source has been copied and has resumed: the start of the copy does
 * not affect the source.
 */
function beginFork(
  { client }: Lab,
  { id }: Vm,
  { signal }: Abortable,
): { copied: Promise<unknown>; forking: Promise<ForkedVms> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const forking = resultOf(client.forkVm(id, { count: 1 }, { signal }), (news) => {
    if (news.event === 'progress' && news.stage === 'fork') resolve();
  });
  return { copied: Promise.race([promise, forking]), forking };
}

/** Returns the largest gaps between ticks that overlap the time of `work`. */
async function gapsDuring(ticks: Tick[], work: Promise<unknown>): Promise<Gaps> {
  const beganMs = performance.now();
  await work;
  const endedMs = performance.now();
  const isPast = (): Promise<true | undefined> =>
    Promise.resolve((ticks.at(-1)?.hereMs ?? 0) > endedMs || undefined);
  await poll(isPast, { everyMs: 2, deadlineMs: TICK_DEADLINE_MS, what: 'a tick', signal: neverAborts() });
  const gaps: Gaps = { insideMs: 0, hereMs: 0 };
  for (const [at, tick] of ticks.entries()) {
    const before = ticks[at - 1];
    if (!before || tick.hereMs < beganMs || before.hereMs > endedMs) continue;
    gaps.insideMs = Math.max(gaps.insideMs, tick.insideMs - before.insideMs);
    gaps.hereMs = Math.max(gaps.hereMs, tick.hereMs - before.hereMs);
  }
  return gaps;
}
