import { join } from 'node:path';
import { debvmImage, debvmStartMs, hasDebvm } from '../floor/debvm.ts';
import type { Measurement } from '../measurement.ts';
import { median } from '../stats.ts';
import { repeat, timeOf } from '../timing.ts';
import { withVm } from '../with-vm.ts';

const WHAT = '`banger vm run --rm -- true`, a VM on standby, beside debvm';

/** The goal: this many times faster. */
const TIMES_FASTER = 40;

/** The first command in a new VM, beside the nearest peer that Debian packages. */
export const besideDebvm: Measurement = {
  name: 'beside-debvm',
  async run(lab, { isQuick, signal }) {
    if (!(await hasDebvm({ signal }))) {
      return [
        {
          name: 'warm-start-beside-debvm',
          what: WHAT,
          notMeasured: 'debvm is not installed (`apt install debvm`)',
        },
      ];
    }
    const image = await debvmImage(join(lab.root, '.cache', 'bench'), { signal });
    const hasKvm = await withVm(lab, { signal }, async ({ runtime }) => runtime?.accelerator === 'kvm');
    const theirs = await repeat(isQuick ? 1 : 3, () =>
      debvmStartMs(image, { dir: lab.scratch, hasKvm, signal }),
    );
    const argv = [lab.banger, 'vm', 'run', '--rm', '--', 'true'] as const;
    const options = { env: lab.env, signal };
    await lab.setStandby(true, { signal });
    await timeOf(argv, options);
    const ours = await repeat(isQuick ? 3 : 10, async () => {
      await lab.standby({ signal });
      return await timeOf(argv, options);
    });
    await lab.setStandby(false, { signal });
    return [
      {
        name: 'warm-start-beside-debvm',
        what: WHAT,
        unit: 'ms',
        median: median(ours),
        floor: median(theirs),
        floorIs: 'no floor: `debvm-run` to the end of a first `ssh true`',
        runs: ours.length,
        goals: [{ ratio: 1 / TIMES_FASTER }],
      },
    ];
  },
};
