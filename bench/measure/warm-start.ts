import { join } from 'node:path';
import { copyByTar } from '../floor/copy-by-tar.ts';
import { RESTORE_FLOOR, restoreFloorMs, templateOf } from '../floor/saved-guest.ts';
import type { Lab } from '../lab.ts';
import { editFiles, makeRepository } from '../make-repository.ts';
import type { Effort, Measurement, Row } from '../measurement.ts';
import { medianSpans, SPAN_RUNS, type Span, spansOf } from '../spans.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timed, timeOf } from '../timing.ts';
import { withVm } from '../with-vm.ts';

const FILES = 1_000;
const EDITS = 20;

/** Times of whole processes, and where they go. */
interface Runs {
  times: number[];
  spans: Span[];
}

/**
 * From Enter to the end of a command in a new VM, which is then deleted. The daemon runs; the first start
 * makes the template.
 */
export const warmStart: Measurement = {
  name: 'warm-start',
  async run(lab, effort) {
    const { isQuick, signal } = effort;
    const runs = isQuick ? 5 : 20;
    const tree = join(lab.scratch, 'warm-tree');
    await makeRepository(tree, FILES, { signal });
    await editFiles(tree, EDITS);
    const floors = await withVm(lab, { signal }, async (vm) => {
      const guest = await templateOf(vm, { dir: lab.scratch });
      return await repeat(runs, () => restoreFloorMs(guest, { dir: lab.scratch, signal }));
    });
    const copies = await repeat(runs, (index) =>
      timed(() => copyByTar(tree, join(lab.scratch, `warm-copy-${index}`), { signal })),
    );
    const floor = { alone: median(floors), withTree: median(floors) + median(copies) };
    const rows: Row[] = [];
    for (const hasStandby of [true, false]) {
      await lab.setStandby(hasStandby, { signal });
      const options = { ...effort, runs, hasStandby };
      const alone = await measure(lab, [], options);
      const withTree = await measure(lab, [tree], options);
      const name = hasStandby ? 'warm-start' : 'warm-start-without-pool';
      const how = hasStandby ? 'a VM on standby' : 'none on standby, as right after another start';
      rows.push(
        {
          name,
          what: `\`banger vm run --rm -- true\`, warm, ${how}, the whole process`,
          unit: 'ms',
          ...firstAndRest(alone.times),
          floor: floor.alone,
          floorIs: RESTORE_FLOOR,
          runs,
          goals: [{ median: 450 }, { ratio: 1.5 }],
          spans: alone.spans,
        },
        {
          name: `${name}-with-tree`,
          what: `the same with a working tree of ${FILES.toLocaleString('en')} files, ${EDITS} edited`,
          unit: 'ms',
          ...firstAndRest(withTree.times),
          floor: floor.withTree,
          floorIs: `${RESTORE_FLOOR} + \`tar | tar\` of the tree on the host`,
          runs,
          goals: [{ median: 700 }, { ratio: 1.5 }],
          spans: withTree.spans,
        },
      );
    }
    await lab.setStandby(false, { signal });
    return rows;
  },
};

async function measure(
  lab: Lab,
  paths: readonly string[],
  { runs, hasStandby, signal }: Effort & { runs: number; hasStandby: boolean },
): Promise<Runs> {
  const options = { env: lab.env, signal };
  const run = [lab.banger, 'vm', 'run', '--rm'] as const;
  const ready = async (): Promise<void> => {
    if (hasStandby) await lab.standby({ signal });
  };
  // The first start finds no pool VM.
  const first = await timeOf([...run, ...paths, '--', 'true'], options);
  const times = await repeat(runs, async () => {
    await ready();
    return await timeOf([...run, ...paths, '--', 'true'], options);
  });
  const spans = await repeat(SPAN_RUNS, async () => {
    await ready();
    return await spansOf([...run, '--json', '--timings', ...paths, '--', 'true'], options);
  });
  return { times: [first, ...times], spans: medianSpans(spans) };
}
