import { join } from 'node:path';
import { copyByTar } from '../floor/copy-by-tar.ts';
import { RESTORE_FLOOR, restoreFloorMs, templateOf } from '../floor/saved-guest.ts';
import { editFiles, makeRepository } from '../make-repository.ts';
import type { Measurement } from '../measurement.ts';
import { medianSpans, SPAN_RUNS, type Span, spansOf } from '../spans.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timed, timeOf } from '../timing.ts';
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
    const floors = await withVm(lab, { signal }, async (vm) => {
      const guest = await templateOf(vm, { dir: lab.scratch });
      return await repeat(runs, () => restoreFloorMs(guest, { dir: lab.scratch, signal }));
    });
    const spans = (...more: string[]): Promise<Span[]> =>
      spansOf([...run, '--json', '--timings', ...more, '--', 'true'], options);
    const aloneSpans = await repeat(SPAN_RUNS, () => spans());
    const treeSpans = await repeat(SPAN_RUNS, () => spans(tree));
    const copies = await repeat(runs, (index) =>
      timed(() => copyByTar(tree, join(lab.scratch, `warm-copy-${index}`), { signal })),
    );
    const restore = median(floors);
    return [
      {
        what: '`banger vm run --rm -- true`, warm, the whole process',
        unit: 'ms',
        ...firstAndRest(alone),
        floor: restore,
        floorIs: RESTORE_FLOOR,
        runs,
        goals: [{ median: 450 }, { ratio: 1.5 }],
        spans: medianSpans(aloneSpans),
      },
      {
        what: `the same with a working tree of ${FILES.toLocaleString('en')} files, ${EDITS} edited`,
        unit: 'ms',
        ...firstAndRest(withTree),
        floor: restore + median(copies),
        floorIs: `${RESTORE_FLOOR} + \`tar | tar\` of the tree on the host`,
        runs,
        goals: [{ median: 700 }, { ratio: 1.5 }],
        spans: medianSpans(treeSpans),
      },
    ];
  },
};
