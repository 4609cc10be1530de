import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { noteCopying } from '../../../src/core/vms/workspace/finish-copy.ts';
import type { VmWorld } from '../../../src/core/vms/world.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { sendDelta } from '../../helpers/guest-shell.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { commitAll, withSubmodules } from '../../helpers/submodules.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { prepareIn } from '../../support/prepare-in-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;
let world: VmWorld;
let scratch: Scratch;
let vmId: string;

before(async () => {
  lab = await openDaemonLab();
  await lab.start({
    onWorld: (made) => {
      world = made;
    },
  });
  scratch = makeScratch();
  vmId = (await resultOf(lab.client.createVm({ name: 'web' }, { signal }))).id;
});

after(async () => {
  await lab[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

/** Runs a command as a user does. */
async function run(script: string): Promise<string> {
  using session = await lab.client.exec('web', shell(script), { signal });
  return (await session.collect()).stdout.toString();
}

test('a command in a VM whose copy was killed sees the new trees of all repositories', async () => {
  const { root } = withSubmodules(scratch);
  const guest = join(lab.dir, 'guest');
  await prepareIn(lab, root, guest);
  assert.equal(world.records.get(vmId)?.copying, undefined);
  for (const [folder, name] of [
    ['', 'top'],
    ['lib', 'code'],
  ] as const) {
    put(join(root, folder), name, 'two\n');
    await sendDelta(scratch, join(root, folder), join(guest, folder));
  }
  // As it is when the VMM is killed after the change has begun.
  writeFileSync(join(guest, '.git/banger/all'), 'update . apply\nupdate ./lib apply\n');
  noteCopying(world, vmId, { guestPath: guest });
  assert.equal(await run(`cat ${guest}/top ${guest}/lib/code`), 'two\ntwo\n');
  assert.equal(world.records.get(vmId)?.copying, undefined);
});

test('a killed copy that had not begun to change the guest leaves its tree, and the next one says what differs', async () => {
  const root = scratch.init('repo');
  put(root, 'file', 'one\n');
  commitAll(scratch, root, 'one');
  const guest = join(lab.dir, 'unchanged');
  await prepareIn(lab, root, guest);
  put(root, 'file', 'two, larger\n');
  await sendDelta(scratch, root, guest);
  noteCopying(world, vmId, { guestPath: guest });
  assert.equal(await run(`cat ${guest}/file`), 'one\n');
  assert.equal(existsSync(join(guest, '.git/banger/incoming')), false);
  await prepareIn(lab, root, guest);
  assert.equal(readFileSync(join(guest, 'file'), 'utf8'), 'two, larger\n');
});

test('a killed copy whose daemon noted nothing afterwards is not taken for one without changes', async () => {
  const root = scratch.init('reverted');
  put(root, 'file', 'one\n');
  commitAll(scratch, root, 'one');
  const guest = join(lab.dir, 'reverted');
  await prepareIn(lab, root, guest);
  const record = world.records.get(vmId) ?? assert.fail();
  put(root, 'file', 'two\n');
  await prepareIn(lab, root, guest);
  // The guest has the second tree, and the host only knows of the first.
  const { workspace } = record;
  world.records.update({ ...(world.records.get(vmId) ?? record), ...(workspace ? { workspace } : {}) });
  noteCopying(world, vmId, { guestPath: guest });
  put(root, 'file', 'one\n');
  await prepareIn(lab, root, guest);
  assert.equal(readFileSync(join(guest, 'file'), 'utf8'), 'one\n');
});

test('what a killed first copy has left is removed before the next command and the next copy', async () => {
  const root = scratch.init('first');
  put(root, 'file', 'one\n');
  commitAll(scratch, root, 'one');
  const guest = join(lab.dir, 'half');
  const half = (): void => {
    mkdirSync(join(guest, '.git'), { recursive: true });
    writeFileSync(join(guest, 'file'), 'o');
    noteCopying(world, vmId, { guestPath: guest, isFirst: true });
  };
  half();
  assert.equal(await run(`[ ! -e ${guest} ] && echo gone`), 'gone\n');
  half();
  await prepareIn(lab, root, guest);
  assert.equal(readFileSync(join(guest, 'file'), 'utf8'), 'one\n');
});
