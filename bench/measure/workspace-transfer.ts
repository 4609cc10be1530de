import { join } from 'node:path';
import { resultOf } from '../../src/sdk/work.ts';
import { copyByTar } from '../floor/copy-by-tar.ts';
import { makeRepository } from '../make-repository.ts';
import type { Measurement } from '../measurement.ts';
import { firstAndRest, median } from '../stats.ts';
import { repeat, timed } from '../timing.ts';
import { withVm } from '../with-vm.ts';

/** Files of the measured tree. */
const FILES = 10_000;
const QUICK_FILES = 1_000;

/** A git working tree to a guest that runs. */
export const workspaceTransfer: Measurement = {
  name: 'workspace-transfer',
  run: (lab, { isQuick, signal }) =>
    withVm(lab, { signal }, async (vm) => {
      const runs = isQuick ? 3 : 5;
      const count = isQuick ? QUICK_FILES : FILES;
      const tree = join(lab.scratch, 'tree');
      await makeRepository(tree, count, { signal });
      const ours = await repeat(runs, (index) =>
        timed(() => {
          const request = { path: tree, guestPath: `/root/tree-${index}` };
          return resultOf(lab.client.prepareWorkspace(vm.id, request, { signal }));
        }),
      );
      const floors = await repeat(runs, (index) =>
        timed(() => copyByTar(tree, join(lab.scratch, `copy-${index}`), { signal })),
      );
      return [
        {
          name: 'workspace',
          what: `working tree of ${count.toLocaleString('en')} files to the guest`,
          unit: 'ms',
          ...firstAndRest(ours),
          floor: median(floors),
          floorIs: '`tar | tar` on the host',
          runs,
        },
      ];
    }),
};
