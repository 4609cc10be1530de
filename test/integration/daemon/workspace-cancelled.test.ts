import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { assertSameToGit, makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { commitAll } from '../../helpers/submodules.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { prepareIn } from '../../support/prepare-in-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;
let scratch: Scratch;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
  scratch = makeScratch();
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

test('a first copy that is cancelled in the middle leaves nothing, and the next one is not refused', async () => {
  const root = scratch.init('repo');
  for (let at = 0; at < 120; at += 1) put(root, `folder/f${at}`, randomBytes(200_000));
  commitAll(scratch, root, 'large');
  const guestPath = join(lab.dir, 'guest');
  const cancel = new AbortController();
  const copying = resultOf(
    lab.client.prepareWorkspace('web', { path: root, guestPath }, { signal: cancel.signal }),
  );
  copying.catch(() => {});
  const hasBegun = async (): Promise<true | undefined> =>
    existsSync(join(guestPath, 'folder')) && readdirSync(join(guestPath, 'folder')).length > 3
      ? true
      : undefined;
  await poll(hasBegun, { everyMs: 1, deadlineMs: 30_000, what: 'files in the guest', signal });
  assert.equal(existsSync(join(guestPath, '.git/HEAD')), false, 'in the middle');
  cancel.abort(new Error('cancelled'));
  await assert.rejects(copying);
  const gone = async (): Promise<true | undefined> => (existsSync(guestPath) ? undefined : true);
  await poll(gone, { everyMs: 20, deadlineMs: 30_000, what: 'the guest to rename it', signal });
  // Files of the former copy would count as changes of the guest now.
  put(root, 'folder/f0', 'edited\n');
  await prepareIn(lab, root, guestPath);
  assertSameToGit(scratch, root, guestPath);
});
