import { readFile } from 'node:fs/promises';
import { type Abortable, poll, sleep } from '../../src/base/abort.ts';
import { invariant } from '../../src/base/errors.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import {
  BUSY,
  END_BUSY,
  END_LISTENERS,
  GARBAGE,
  LISTENERS,
  RATE_FILE,
} from '../../test/support/network/hostile-guests.ts';
import type { Lab } from '../lab.ts';
import type { Measurement, Row } from '../measurement.ts';
import { median } from '../stats.ts';
import { repeat, timed } from '../timing.ts';
import { withVm } from '../with-vm.ts';

/** What the other guest does. */
type Doing = 'nothing' | 'computing' | 'listeners' | 'garbage';

const SAYS: Record<Exclude<Doing, 'nothing'>, string> = {
  computing: 'that only computes',
  listeners: 'that opens and closes 1,000 listeners a second',
  garbage: 'that writes garbage to the daemon and never reads',
};

/** Listeners that the guest has to open in a second, before anything is measured. */
const LEAST_PER_SECOND = 500;

/** `ms` between the first garbage and the first command: the guest waits before it begins. */
const UNTIL_GARBAGE_MS = 6_000;

/** What was found while the other guest did one thing. */
interface Found {
  execMs: number[];
  /** time of a processor that the daemon took, in `ms` for each second */
  daemonMs: number[];
}

/**
 * Commands in a VM beside another one, whose guest is hostile. A guest that only computes takes as much of
 * the host's processors without the daemon: what is slower than beside that one is the daemon's doing.
 */
export const hostileGuest: Measurement = {
  name: 'hostile-guest',
  run: (lab, { isQuick, signal }) =>
    withVm(lab, { signal }, (vm) =>
      withVm(lab, { signal }, async (other) => {
        const found = new Map<Doing, Found>();
        const runs = isQuick ? 9 : 15;
        const look = (doing: Doing): Promise<void> => measure(lab, vm, { found, doing, runs, signal });
        await guestRuns(lab, vm, ['true'], { signal });
        // In turns, because the speed of the machine varies.
        await repeat(isQuick ? 2 : 4, async () => {
          await look('nothing');
          await inBackground(lab, other, BUSY, { signal });
          await look('computing');
          await guestRuns(lab, other, ['sh', '-c', END_BUSY], { signal });
          await inBackground(lab, other, LISTENERS, { signal });
          await untilFlooded(lab, other, { signal });
          await look('listeners');
          await guestRuns(lab, other, ['sh', '-c', END_LISTENERS], { signal });
        });
        await inBackground(lab, other, GARBAGE, { signal });
        await sleep(UNTIL_GARBAGE_MS, { signal });
        await repeat(isQuick ? 2 : 4, async () => {
          // Somebody wants something of that guest, so that the daemon keeps trying to speak with it.
          const over = new AbortController();
          const either = AbortSignal.any([signal, over.signal]);
          const asked = guestRuns(lab, other, ['true'], { signal: either }).catch(() => {});
          await look('garbage');
          over.abort();
          await asked;
        });
        return rowsOf(found);
      }),
    ),
};

async function measure(
  lab: Lab,
  vm: Vm,
  { found, doing, runs, signal }: Abortable & { found: Map<Doing, Found>; doing: Doing; runs: number },
): Promise<void> {
  const { pid } = await lab.client.daemonStatus({ signal });
  const before = await processorMs(pid);
  const begun = performance.now();
  const execMs = await repeat(runs, () => timed(() => guestRuns(lab, vm, ['true'], { signal })));
  const perSecond = (((await processorMs(pid)) - before) / (performance.now() - begun)) * 1_000;
  const known = found.get(doing) ?? { execMs: [], daemonMs: [] };
  found.set(doing, {
    execMs: [...known.execMs, ...execMs],
    daemonMs: [...known.daemonMs, perSecond],
  });
}

async function guestRuns(
  { client }: Lab,
  { id }: Vm,
  argv: [string, ...string[]],
  { signal }: Abortable,
): Promise<string> {
  using session = await client.exec(id, { argv }, { signal });
  const { exit, stdout } = await session.collect();
  invariant('code' in exit && exit.code === 0, `${argv[0]} succeeds in the guest`);
  return stdout.toString();
}

async function inBackground(lab: Lab, vm: Vm, program: string, { signal }: Abortable): Promise<void> {
  const script = 'rm -f "$1"; setsid python3 -c "$0" >/dev/null 2>&1 & echo';
  await guestRuns(lab, vm, ['sh', '-c', script, program, RATE_FILE], { signal });
}

async function untilFlooded(lab: Lab, vm: Vm, { signal }: Abortable): Promise<void> {
  const isFlooded = async (): Promise<true | undefined> => {
    const rate = await guestRuns(lab, vm, ['sh', '-c', 'cat "$0" 2>/dev/null || echo 0', RATE_FILE], {
      signal,
    });
    return Number(rate) >= LEAST_PER_SECOND || undefined;
  };
  const what = `${LEAST_PER_SECOND} listeners a second in the guest`;
  await poll(isFlooded, { everyMs: 500, deadlineMs: 60_000, what, signal });
}

/** Time of a processor that a process has taken so far: fields 14 and 15 of `/proc/PID/stat` (proc(5)). */
async function processorMs(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return (ticks * 1_000) / TICKS_PER_SECOND;
}

/** `USER_HZ`, which is 100 on every platform of Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

function rowsOf(found: ReadonlyMap<Doing, Found>): Row[] {
  const of = (doing: Doing): Found => {
    const known = found.get(doing);
    invariant(known, `there are figures for ${doing}`);
    return known;
  };
  const idle = of('nothing');
  return (Object.keys(SAYS) as (keyof typeof SAYS)[]).flatMap((doing): Row[] => {
    const { execMs, daemonMs } = of(doing);
    const floorIs = 'the same beside an idle VM';
    const isHostile = doing !== 'computing';
    return [
      {
        name: `exec-beside-${doing}`,
        what: `exec of \`true\` through the API, beside a guest ${SAYS[doing]}`,
        unit: 'ms',
        median: median(execMs),
        floor: median(idle.execMs),
        floorIs,
        runs: execMs.length,
        ...(isHostile ? { goals: [{ ratio: 2 }] } : {}),
      },
      {
        name: `daemon-beside-${doing}`,
        what: `processor time of the daemon in a second of these commands, beside a guest ${SAYS[doing]}`,
        unit: 'ms',
        median: median(daemonMs),
        floor: median(idle.daemonMs),
        floorIs,
        runs: daemonMs.length,
      },
    ];
  });
}
