import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { resultOf } from '../../src/sdk/work.ts';
import { copyByTar } from '../floor/copy-by-tar.ts';
import type { Lab } from '../lab.ts';
import { makeLargeRepository } from '../make-large-repository.ts';
import type { Effort, Measurement, Row } from '../measurement.ts';
import { median } from '../stats.ts';
import { repeat, timed, timeOf } from '../timing.ts';

const EDITS = 20;

/** What a tree of the size of Linux costs. It takes minutes and several gigabytes, so only by name. */
export const largeTree: Measurement = {
  name: 'large-tree',
  isOnRequest: true,
  async run(lab, effort) {
    const { isQuick, signal } = effort;
    const runs = isQuick ? 3 : 7;
    const { tree, what } = await ownTree(lab, effort);
    const git = (...args: string[]): Promise<unknown> => exec(['git', '-C', tree, ...args], { signal });
    // Git notes the times of the files of a copy.
    await git('status', '--porcelain');
    await lab.setStandby(true, { signal });
    // The first start makes the template, from which VMs on standby come.
    await exec([lab.banger, 'vm', 'run', '--rm', '--', 'true'], { env: lab.env, signal });
    const run = async (paths: readonly string[], command: readonly string[]): Promise<number> => {
      await lab.standby({ signal });
      return await timeOf([lab.banger, 'vm', 'run', '--rm', ...paths, '--', ...command], {
        env: lab.env,
        signal,
      });
    };
    const alone = median(await repeat(runs, () => run([], ['true'])));
    const copying = await timed(() => copyByTar(tree, join(lab.scratch, 'large-copy'), { signal }));
    const first = await run([tree], ['true']);
    const withBase = await repeat(runs, () => run([tree], ['git', 'status', '--porcelain']));
    const looking = median(await repeat(runs, () => timed(() => git('status', '--porcelain'))));
    const deltas: number[] = [];
    const nothing: number[] = [];
    const vm = await vmWith(lab, tree, { signal });
    try {
      const prepare = (): Promise<unknown> =>
        resultOf(lab.client.prepareWorkspace(vm.id, { path: tree }, { signal }));
      for (let round = 0; round < runs; round += 1) {
        await editSome(tree, round, { signal });
        deltas.push(await timed(prepare));
        nothing.push(await timed(prepare));
      }
    } finally {
      await resultOf(lab.client.deleteVm(vm.id, { signal }));
    }
    await lab.setStandby(false, { signal });
    const rows: Row[] = [
      {
        name: 'large-tree-first',
        what: `\`banger vm run --rm ./repo -- true\`, ${what}, for the first time`,
        unit: 'ms',
        median: first,
        floor: copying,
        floorIs: '`tar | tar` of it on the host',
        runs: 1,
        goals: [{ median: 45_000 }],
      },
      {
        name: 'large-tree-with-base',
        what: 'the same with its base image made before, and `git status` in place of `true`',
        unit: 'ms',
        median: median(withBase),
        floor: alone,
        floorIs: '`true` without a working tree, a VM on standby',
        runs,
        goals: [{ median: 2_500 }],
      },
      {
        name: 'large-tree-delta',
        what: `${EDITS} of its files, changed since, to a VM that has it`,
        unit: 'ms',
        median: median(deltas),
        floor: looking,
        floorIs: '`git status` on the host',
        runs,
        goals: [{ median: 600 }],
      },
      {
        name: 'large-tree-no-change',
        what: 'the same when nothing has changed',
        unit: 'ms',
        median: median(nothing),
        floor: looking,
        floorIs: '`git status` on the host',
        runs,
        goals: [{ median: 300 }],
      },
    ];
    return rows;
  },
};

/** A VM that began with the tree's base image. */
async function vmWith(lab: Lab, tree: string, { signal }: Abortable): Promise<Vm> {
  await using pack = await lab.client.packWorkspace({ path: tree }, { signal });
  const { packId } = pack.value;
  const vm = await resultOf(lab.client.createVm({ packId }, { signal }));
  await resultOf(lab.client.prepareWorkspace(vm.id, { path: tree, packId }, { signal }));
  return vm;
}

/**
 * A tree that may be changed and has no base image yet: a copy of the one that was asked for, or a made one.
 */
async function ownTree(
  lab: Lab,
  { tree: asked, isQuick, signal }: Effort,
): Promise<{ tree: string; what: string }> {
  const tree = join(lab.scratch, 'large-tree');
  if (asked === undefined) {
    const count = isQuick ? 8_000 : 78_000;
    await makeLargeRepository(tree, count, { signal });
    return { tree, what: `${count.toLocaleString('en')} made files` };
  }
  // A path that is not a repository fails here.
  await exec(['git', '-C', asked, 'rev-parse', '--verify', 'HEAD'], { signal });
  await exec(['cp', '-a', '--reflink=auto', asked, tree], { signal });
  const { stdout } = await exec(['git', '-C', tree, 'ls-files', '-z'], { signal });
  const count = stdout.toString('latin1').split('\0').length - 1;
  return { tree, what: `${count.toLocaleString('en')} files` };
}

/** Changes files all over the tree. */
async function editSome(tree: string, round: number, { signal }: Abortable): Promise<void> {
  const { stdout } = await exec(['git', '-C', tree, 'ls-files', '--stage', '-z'], { signal });
  const files = stdout
    .toString('utf8')
    .split('\0')
    .flatMap((entry) => /^100644 \S+ 0\t(.+)$/s.exec(entry)?.[1] ?? []);
  const step = Math.floor(files.length / EDITS);
  for (let edit = 0; edit < EDITS; edit += 1) {
    const name = files[edit * step + round];
    if (name !== undefined) await writeFile(join(tree, name), `edited in round ${round}\n`);
  }
}
