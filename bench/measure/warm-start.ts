import { join } from 'node:path';
import { guestForkMs } from '../floor/guest-fork.ts';
import { editFiles, makeRepository } from '../make-repository.ts';
import type { Measurement } from '../measurement.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timeOf } from '../timing.ts';
import { withVm } from '../with-vm.ts';

const FILES = 1_000;
const EDITS = 20;

/** A new VM that runs a command and is deleted, from Enter to the end: the daemon runs, and the template is there after the first. */
export const warmStart: Measurement = {
  name: 'warm-start',
  async run(lab, { isQuick, signal }) {
    const runs = isQuick ? 5 : 20;
    const options = { env: lab.env, signal };
    const tree = join(lab.scratch, 'warm-tree');
    await makeRepository(tree, FILES, { signal });
    await editFiles(tree, EDITS);
    const run = [lab.banger, 'vm', 'run', '--rm'] as const;
    const alone = await repeat(runs + 1, () => timeOf([...run, '--', 'true'], options));
    const withTree = await repeat(runs + 1, () => timeOf([...run, tree, '--', 'true'], options));
    const node = median(await repeat(runs, () => timeOf([lab.node, '-e', '0'], options)));
    const fork = await withVm(lab, { signal }, (vm) => guestForkMs(lab, vm, { signal }));
    const floor = { floor: node + fork, floorIs: '`node -e 0` + fork and exec in the guest' };
    return [
      {
        what: '`banger vm run --rm -- true`, warm, the whole process',
        unit: 'ms',
        ...firstAndRest(alone),
        ...floor,
        runs,
        goal: { median: 450 },
      },
      {
        what: `the same with a working tree of ${FILES.toLocaleString('en')} files, ${EDITS} edited`,
        unit: 'ms',
        ...firstAndRest(withTree),
        ...floor,
        runs,
        goal: { median: 700 },
      },
    ];
  },
};
