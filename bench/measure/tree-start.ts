import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Lab } from '../lab.ts';
import { editFiles, makeRepository } from '../make-repository.ts';
import type { Effort, Measurement } from '../measurement.ts';
import { medianSpans, SPAN_RUNS, spansOf } from '../spans.ts';
import { median } from '../stats.ts';
import { repeat, timeOf } from '../timing.ts';

const FILES = 1_000;
const EDITS = 20;

const FLOOR = 'the same without a working tree, a VM on standby';

/**
 * What a working tree adds to a start with a VM on standby, with its base image still to be made and with
 * one. The starts take turns, because their ratio counts.
 */
export const treeStart: Measurement = {
  name: 'tree-start',
  async run(lab, effort) {
    const { isQuick, signal } = effort;
    const rounds = isQuick ? 5 : 15;
    const tree = join(lab.scratch, 'start-tree');
    await makeRepository(tree, FILES, { signal });
    await editFiles(tree, EDITS);
    await lab.setStandby(true, { signal });
    // The first start makes the template, from which VMs on standby come.
    await timeOf([...start(lab), tree, '--', 'true'], { env: lab.env, signal });
    const alone: number[] = [];
    const firsts: number[] = [];
    const withBase: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      alone.push(await vmRun(lab, [], effort));
      firsts.push(await firstRun(lab, { tree, round }, effort));
      withBase.push(await vmRun(lab, [tree], effort));
    }
    const spans = await repeat(SPAN_RUNS, async () => {
      await lab.standby({ signal });
      return await spansOf([...start(lab), '--json', '--timings', tree, '--', 'true'], {
        env: lab.env,
        signal,
      });
    });
    await lab.setStandby(false, { signal });
    const count = FILES.toLocaleString('en');
    const common = { unit: 'ms', floor: median(alone), floorIs: FLOOR, runs: rounds } as const;
    return [
      {
        name: 'tree-start-first',
        what: `\`banger vm run --rm ./repo -- true\`, ${count} files, ${EDITS} edited, for the first time`,
        median: median(firsts),
        ...common,
        goals: [{ ratio: 1.6 }],
      },
      {
        name: 'tree-start-with-base',
        what: 'the same with its base image made before',
        median: median(withBase),
        ...common,
        goals: [{ ratio: 1.25 }],
        spans: medianSpans(spans),
      },
    ];
  },
};

function start(lab: Lab): readonly [string, ...string[]] {
  return [lab.banger, 'vm', 'run', '--rm'];
}

/** `ms` of a start, which waits for a VM on standby first. */
async function vmRun(lab: Lab, paths: readonly string[], { signal }: Effort): Promise<number> {
  await lab.standby({ signal });
  return await timeOf([...start(lab), ...paths, '--', 'true'], { env: lab.env, signal });
}

/** {@link vmRun} with a copy of the tree, for which no base image exists. */
async function firstRun(
  lab: Lab,
  { tree, round }: { tree: string; round: number },
  effort: Effort,
): Promise<number> {
  const copy = join(lab.scratch, `start-tree-${round}`);
  await cp(tree, copy, { recursive: true, preserveTimestamps: true });
  const ms = await vmRun(lab, [copy], effort);
  await rm(copy, { recursive: true });
  // Without its repository, the base image is of no use.
  await lab.client.pruneWorkspaceBases({}, effort);
  return ms;
}
