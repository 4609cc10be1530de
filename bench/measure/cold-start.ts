import { bareQemuLike, bareStartMs } from '../floor/bare-qemu.ts';
import type { Measurement } from '../measurement.ts';
import { medianSpans, SPAN_RUNS, spansOf } from '../spans.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timeToFirstOutput } from '../timing.ts';
import { withVm } from '../with-vm.ts';

/** Prints a line for the clock, and then how long the guest's own init took. */
const GUEST_SCRIPT = `
echo started
systemctl show --value --property UserspaceTimestampMonotonic
systemctl show --value --property InactiveExitTimestampMonotonic banger-ready.service
`;

/** From Enter to the first byte that a command in a new VM prints. */
export const coldStart: Measurement = {
  name: 'cold-start',
  async run(lab, { isQuick, signal }) {
    const runs = isQuick ? 3 : 7;
    const argv = [lab.banger, 'vm', 'run', '--cold', '--rm', '--', 'sh', '-c', GUEST_SCRIPT] as const;
    const starts = await repeat(runs, () => timeToFirstOutput(argv, { env: lab.env, signal }));
    const spanArgv = [
      lab.banger,
      'vm',
      'run',
      '--cold',
      '--rm',
      '--json',
      '--timings',
      '--',
      'true',
    ] as const;
    const spans = await repeat(SPAN_RUNS, () => spansOf(spanArgv, { env: lab.env, signal }));
    const like = await withVm(lab, { signal }, (vm) => bareQemuLike(vm, lab, { signal }));
    const floors = await repeat(runs, () => bareStartMs(like, { signal }));
    const bare = firstAndRest(floors).median;
    const guestInit = median(starts.map(({ output }) => guestInitMs(output)));
    return [
      {
        name: 'cold-start',
        what: 'cold start to first output',
        unit: 'ms',
        ...firstAndRest(starts.map(({ ms }) => ms)),
        floor: bare + guestInit,
        floorIs: `bare QEMU, same kernel, to a line of its init (${bare.toFixed(0)}) + the guest's own systemd (${guestInit.toFixed(0)})`,
        runs,
        goals: [{ ratio: 1.3 }],
        spans: medianSpans(spans),
      },
    ];
  },
};

/**
 * `ms` from the image's init to the point at which it lets user commands run; systemd counts in microseconds.
 */
function guestInitMs(output: string): number {
  const [, begun, ready] = output.trim().split('\n').map(Number);
  return ((ready ?? Number.NaN) - (begun ?? Number.NaN)) / 1000;
}
