import assert from 'node:assert/strict';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { resultOf, type WorkNews } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { guestRootOf } from '../../support/fakes/fake-vm-driver.ts';

const signal = neverAborts();
const CLAIMED = ['claim', 'personalise'];
const WARM = ['drives', 'start', 'restore', 'agent', 'personalise'];

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start({ canSave: true, hasStandby: true });
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

/** Each test begins with one pool VM, of the usual shape. */
beforeEach(async () => {
  for (const { name } of await lab.client.listVms({ signal, isAll: true })) {
    await resultOf(lab.client.deleteVm(name, { signal }));
  }
  await create('first');
  await standby();
  await resultOf(lab.client.deleteVm('first', { signal }));
});

test('the next VM of the same shape claims the pool VM, which gets its own identity', async () => {
  const waiting = await standby();
  assert.deepEqual(await create('next', { nat: true }), CLAIMED);
  const vm = await lab.client.showVm('next', { signal });
  assert.deepEqual([vm.id, vm.state, vm.nat], [waiting, 'running', true]);
  assert.equal(lab.guests.personalised.findLast(({ hostname }) => hostname !== 'b')?.hostname, 'next');
  assert.deepEqual(lab.guests.natCalls.at(-1), true);
  // There is a pool VM again, and it is another one.
  assert.notEqual(await standby(), waiting);
  await resultOf(lab.client.stopVm('next', { signal }));
  assert.equal((await resultOf(lab.client.startVm('next', { signal }))).state, 'running');
});

test('a pool VM is not listed, and doctor does not report it', async () => {
  const waiting = await standby();
  assert.deepEqual(await lab.client.listVms({ signal, isAll: true }), []);
  await assert.rejects(lab.client.showVm(waiting, { signal }), { code: 'VM_NOT_FOUND' });
  assert.equal((await lab.client.daemonStatus({ signal })).runningVmCount, 0);
  const { fixed } = await lab.client.fixHost({ signal });
  assert.deepEqual(fixed, []);
  assert.equal(await standby(), waiting);
});

test('a VM of another shape, a cold one and one that is not started do not claim it', async () => {
  const waiting = await standby();
  await create('cold', { cold: true });
  await create('later', { noStart: true });
  assert.equal(await standby(), waiting);
  assert.ok(!(await create('larger', { memoryMib: 256 })).includes('claim'));
  await poll(async () => ((await standby()) === waiting ? undefined : true), {
    everyMs: 10,
    deadlineMs: 55_000,
    what: 'another pool VM',
    signal,
  });
  assert.deepEqual(await create('larger-2', { memoryMib: 256 }), CLAIMED);
  assert.deepEqual(await create('usual'), WARM);
});

test('a pool VM whose VMM has died is deleted, and the next VM is created without it', async () => {
  const waiting = await standby();
  const running = await lab.driver.adopt(
    { vmId: waiting, runtimeDir: join(lab.settings.paths.vmRuntimeDir, waiting), consoleLogPath: '' },
    { signal },
  );
  await running?.kill();
  await poll(async () => ((await namesOfFolders()).length === 0 ? true : undefined), {
    everyMs: 10,
    deadlineMs: 55_000,
    what: 'its folder to be deleted',
    signal,
  });
  assert.deepEqual(await create('without'), WARM);
});

test('a pool VM that cannot be personalised fails the start, with the step, and nothing of it is left', async () => {
  const waiting = await standby();
  const sabotaged = join(guestRootOf(join(lab.settings.paths.vmRuntimeDir, waiting)), 'kernel', 'entropy');
  await rm(sabotaged, { recursive: true, force: true });
  await mkdir(sabotaged, { recursive: true });
  await assert.rejects(resultOf(lab.client.createVm({ name: 'not-own' }, { signal })), {
    code: 'GUEST_PERSONALISE_FAILED',
    details: { step: 'entropy' },
  });
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
  assert.deepEqual(await create('own'), WARM);
});

test('deleting its template ends it', async () => {
  const keys = await lab.client.pruneTemplates({ all: true }, { signal });
  assert.equal(keys.length > 0, true);
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
  assert.equal((await lab.client.daemonStatus({ signal })).standbyVmId, undefined);
});

test('a daemon that ends leaves no pool VM, also none that is being created then', async () => {
  await using other = await openDaemonLab();
  const daemon = await other.start({ canSave: true, hasStandby: true });
  await resultOf(other.client.createVm({ name: 'one' }, { signal }));
  await daemon[Symbol.asyncDispose]();
  const { folders, records, processes } = await other.leftovers();
  assert.deepEqual([records, folders.length, processes], [['one'], 1, 1]);
});

test('commands run in a claimed VM, over one link', async () => {
  await create('used');
  using session = await lab.client.exec('used', shell('echo "$HOME" | wc -l'), { signal });
  session.end();
  let status: unknown;
  for await (const event of session.output()) if (event.kind === 'exit') status = event.exit;
  assert.deepEqual(status, { code: 0 });
});

/** The id of the pool VM, once there is one. */
async function standby(): Promise<string> {
  return await poll(async () => (await lab.client.daemonStatus({ signal })).standbyVmId, {
    everyMs: 10,
    deadlineMs: 55_000,
    what: 'a pool VM',
    signal,
  });
}

async function namesOfFolders(): Promise<string[]> {
  return await readdir(lab.settings.paths.vmsDir);
}

async function create(name: string, request: object = {}): Promise<string[]> {
  const news: WorkNews[] = [];
  await resultOf(lab.client.createVm({ name, ...request }, { signal }), (one) => news.push(one));
  return [...new Set(news.filter((one) => one.event === 'progress').map(({ stage }) => stage))];
}
