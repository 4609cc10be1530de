import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../../src/base/abort.ts';
import { isAppError } from '../../../src/base/errors.ts';
import { exportCommand } from '../../../src/sdk/export-workspace.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { beginning, take, visibleStep } from '../../helpers/random-steps.ts';
import { unpackThroughImage } from '../../helpers/read-image.ts';
import { makeScratch, type Scratch } from '../../helpers/scratch-repository.ts';
import { treeOf } from '../../helpers/tree-of.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { prepareIn } from '../../support/prepare-in-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;
let scratch: Scratch;
let count = 0;
let vmId: string;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
  scratch = makeScratch();
  vmId = (await resultOf(lab.client.createVm({ name: 'web' }, { signal }))).id;
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

const edits = fc.array(fc.record({ isHost: fc.boolean(), step: visibleStep }), {
  minLength: 2,
  maxLength: 10,
});

function exported(guest: string): Buffer {
  const [program, ...args] = exportCommand(guest);
  return spawnSync(program, args, { env: scratch.env, maxBuffer: 2 ** 28 }).stdout;
}

/** How the first tree gets to the guest. */
type WayIn = (root: string, guest: string) => Promise<unknown>;

const throughLink: WayIn = (root, guest) => prepareIn(lab, root, guest, { includeUntracked: true });

/** The guest finds it on its work disk, and the host has noted what it sent. */
const throughBase: WayIn = async (root, guest) => {
  await using packed = await scratch.source.pack(root, { includeUntracked: true, signal });
  const noted = packed.keep(join(lab.settings.paths.vmsDir, vmId, 'workspace'));
  await unpackThroughImage(packed.tar, guest);
  await packed.done;
  await noted;
};

async function checkBothWays(wayIn: WayIn, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(
      beginning,
      fc.array(edits, { minLength: 1, maxLength: 3 }),
      fc.array(visibleStep, { maxLength: 6 }),
      async (first, rounds, inGuest) => {
        count += 1;
        const root = scratch.init(`both${count}`);
        const guest = join(lab.dir, `both${count}`);
        for (const each of first) take(scratch, root, each);
        await wayIn(root, guest);
        scratch.git(guest, 'config', 'user.name', 'x');
        scratch.git(guest, 'config', 'user.email', 'x@y');
        for (const round of rounds) {
          for (const { isHost, step: each } of round) take(scratch, isHost ? root : guest, each);
          const own = treeOf(guest);
          try {
            await prepareIn(lab, root, guest, { includeUntracked: true });
          } catch (error) {
            if (!isAppError(error, 'WORKSPACE_GUEST_CHANGED')) throw error;
            assert.deepEqual(treeOf(guest), own, 'nothing was changed');
            await prepareIn(lab, root, guest, { includeUntracked: true, discardGuest: true });
          }
        }
        for (const each of inGuest) take(scratch, guest, each);
        const patch = exported(guest);
        if (patch.length > 0) {
          const ran = spawnSync('git', ['apply'], { cwd: root, env: scratch.env, input: patch });
          assert.equal(ran.status, 0, `${ran.stderr}\n${patch}`);
        }
        assert.deepEqual(treeOf(root), treeOf(guest));
      },
    ),
    { numRuns },
  );
}

test('after random edits on both sides, with copies between, the patch gives the tree of the guest on the host', async () => {
  await checkBothWays(throughLink, 10);
});

test('so it does when the first tree came on a work disk over a base image', async () => {
  await checkBothWays(throughBase, 5);
});
