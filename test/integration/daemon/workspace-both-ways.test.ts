import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../../../src/base/abort.ts';
import { isAppError } from '../../../src/base/errors.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { exportCommand } from '../../../src/sdk/workspace/export-workspace.ts';
import { beginning, take, visibleStep } from '../../helpers/random-steps.ts';
import { unpackThroughImage } from '../../helpers/read-image.ts';
import { makeScratch, put, type Scratch, unpack } from '../../helpers/scratch-repository.ts';
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

/** What git in the guest is configured with, and what it says of the tree. */
function seenBy(folder: string): string[] {
  const files = ['config', 'info/exclude', 'info/attributes', 'MERGE_HEAD', 'BISECT_START'];
  const found = files.map((name) => join(folder, '.git', name)).filter((path) => existsSync(path));
  const read = found.map((path) => `${path.slice(folder.length)}:\n${readFileSync(path, 'utf8')}`);
  const asked = [['status'], ['diff', '--raw'], ['config', '--list', '--local'], ['remote', '-v']];
  return [...read, ...asked.map((args) => scratch.git(folder, ...args).toString())];
}

const SETTINGS: readonly { what: string; change: (root: string) => void }[] = [
  ...[
    ['core.autocrlf', 'input'],
    ['core.fileMode', 'false'],
    ['remote.origin.url', 'https://me:secret@example.com/x'],
    ['user.name', 'Somebody Else'],
    ['branch.main.remote', 'origin'],
  ].map((setting) => ({
    what: setting.join('='),
    change: (root: string) => void scratch.git(root, 'config', ...setting),
  })),
  { what: 'an ignore rule', change: (root) => put(root, '.git/info/exclude', 'other\n') },
  { what: 'attributes', change: (root) => put(root, '.git/info/attributes', '*.txt eol=crlf\n') },
  { what: 'a bisect', change: (root) => void scratch.git(root, 'bisect', 'start') },
];

for (const [name, wayIn] of Object.entries({
  'through the link': throughLink,
  'on a work disk': throughBase,
})) {
  test(`a guest whose tree came ${name} gets later settings of git as a new guest does`, async () => {
    count += 1;
    const root = scratch.init(`settings${count}`);
    const guest = join(lab.dir, `settings${count}`);
    put(root, 'tool', '#!/bin/sh\n');
    put(root, 'text.txt', 'one\ntwo\n');
    scratch.git(root, 'add', '-A');
    scratch.git(root, 'commit', '-q', '-m', 'first');
    chmodSync(join(root, 'tool'), 0o755);
    put(root, 'text.txt', 'one\r\ntwo\r\n');
    await wayIn(root, guest);
    for (const { what, change } of SETTINGS) {
      change(root);
      await prepareIn(lab, root, guest, { includeUntracked: true });
      const fresh = join(scratch.dir, `fresh${count}-${what.replaceAll('/', '-')}`);
      await using packed = await scratch.source.pack(root, { includeUntracked: true, signal });
      mkdirSync(fresh);
      await unpack(packed.tar, fresh);
      assert.deepEqual(seenBy(guest), seenBy(fresh), what);
    }
  });
}
