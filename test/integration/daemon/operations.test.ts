import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import type { Operation } from '../../../src/protocol/api/operation.ts';
import type { Vm } from '../../../src/protocol/vm.ts';
import { resultOf, type WorkNews } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';

const signal = neverAborts();
const NOTHING = { records: [], folders: [], processes: 0 };

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
});

afterEach(async () => {
  lab.guests.readyGate = undefined;
  lab.guests.syncGate = undefined;
  const vms = await lab.client.listVms({ isAll: true, signal });
  await Promise.all(vms.map(({ id }) => resultOf(lab.client.deleteVm(id, { signal }))));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

/** Starts to create a VM, detaches while that waits for its guest, and returns the operation's id. */
async function leave(name: string, isDetached: boolean): Promise<string> {
  let id = '';
  for await (const step of lab.client.createVm({ name }, { isDetached, signal })) {
    if (step.event === 'operation') id = step.id;
    if (step.event === 'progress' && step.stage === 'init') break;
  }
  return id;
}

async function ended(id: string): Promise<Operation> {
  const find = async (): Promise<Operation | undefined> =>
    (await lab.client.listOperations({ isAll: true, signal })).find(
      (one) => one.id === id && one.state !== 'running',
    );
  return await poll(find, { everyMs: 5, deadlineMs: 55_000, what: 'the operation to end', signal });
}

test('operations in progress are listed with their step, and ended ones only on request', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  lab.guests.readyGate = promise;
  const id = await leave('web', true);
  const [operation, ...others] = await lab.client.listOperations({ signal });
  assert.deepEqual(others, []);
  assert.deepEqual(
    { ...operation, startedAt: '' },
    {
      id,
      kind: 'vm.create',
      target: 'web',
      state: 'running',
      stage: 'init',
      detail: "waiting for the guest's services",
      isDetached: true,
      isCancellable: true,
      startedAt: '',
    },
  );
  resolve();
  const done = await ended(id);
  assert.deepEqual([done.state, done.error], ['done', undefined]);
  assert.ok(done.endedAt);
  assert.deepEqual(await lab.client.listOperations({ signal }), []);
});

test('a detached operation continues, and can be followed from its first step to its result', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  lab.guests.readyGate = promise;
  const id = await leave('web', true);
  const news: WorkNews[] = [];
  const following = resultOf(lab.client.followOperation(id, { signal }), (step) => news.push(step));
  setTimeout(resolve, 50);
  const vm = (await following) as Vm;
  assert.deepEqual([vm.name, vm.state], ['web', 'running']);
  assert.deepEqual(
    news.map((step) => (step.event === 'progress' ? step.stage : step.event)),
    ['operation', 'spec', 'notice', 'drives', 'start', 'boot', 'personalise', 'init'],
  );
  // An ended operation can still be followed.
  assert.deepEqual(await resultOf(lab.client.followOperation(id, { signal })), vm);
});

test('an operation whose client hangs up is cancelled, and leaves nothing', async () => {
  lab.guests.readyGate = new Promise(() => {});
  const id = await leave('web', false);
  assert.equal((await ended(id)).state, 'cancelled');
  assert.deepEqual(await lab.leftovers(), NOTHING);
});

test('a follower that hangs up does not affect the operation', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  lab.guests.readyGate = promise;
  const id = await leave('web', true);
  for await (const step of lab.client.followOperation(id, { signal })) if (step.event === 'progress') break;
  resolve();
  assert.equal((await ended(id)).state, 'done');
});

test('a cancel returns once the operation is undone, and its client gets the error', async () => {
  lab.guests.readyGate = new Promise(() => {});
  const { promise: id, resolve: begun } = Promise.withResolvers<string>();
  const making = resultOf(lab.client.createVm({ name: 'web' }, { signal }), (news) => {
    if (news.event === 'operation') begun(news.id);
  });
  const told = assert.rejects(making, { code: 'OPERATION_CANCELLED' });
  const cancelled = await lab.client.cancelOperation(await id, { signal });
  assert.equal(cancelled.state, 'cancelled');
  assert.deepEqual(await lab.leftovers(), NOTHING);
  await told;
  await assert.rejects(lab.client.cancelOperation(await id, { signal }), { code: 'OPERATION_ENDED' });
  await assert.rejects(resultOf(lab.client.followOperation(await id, { signal })), {
    code: 'OPERATION_CANCELLED',
  });
});

test('a cancelled start leaves the VM unchanged', async () => {
  await resultOf(lab.client.createVm({ name: 'cold', noStart: true }, { signal }));
  lab.guests.readyGate = new Promise(() => {});
  const { promise: id, resolve: begun } = Promise.withResolvers<string>();
  const starting = assert.rejects(
    resultOf(lab.client.startVm('cold', { signal }), (news) => {
      if (news.event === 'operation') begun(news.id);
    }),
    { code: 'OPERATION_CANCELLED' },
  );
  const { kind, target } = await lab.client.cancelOperation(await id, { signal });
  assert.deepEqual([kind, target], ['vm.start', 'cold']);
  await starting;
  assert.equal((await lab.client.showVm('cold', { signal })).state, 'created');
  assert.equal((await lab.leftovers()).processes, 0);
});

test('deleting a VM cancels its creation or start', async () => {
  await resultOf(lab.client.createVm({ name: 'resting', noStart: true }, { signal }));
  lab.guests.readyGate = new Promise(() => {});
  const begun = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const onNews = (at: number) => (step: WorkNews) => {
    if (step.event === 'progress' && step.stage === 'init') begun[at]?.resolve();
  };
  const cancelled = { code: 'OPERATION_CANCELLED' };
  const bringing = [
    assert.rejects(resultOf(lab.client.createVm({ name: 'new' }, { signal }), onNews(0)), cancelled),
    assert.rejects(resultOf(lab.client.startVm('resting', { signal }), onNews(1)), cancelled),
  ];
  await Promise.all(begun.map(({ promise }) => promise));
  for (const name of ['new', 'resting']) {
    assert.equal((await resultOf(lab.client.deleteVm(name, { signal }))).name, name);
  }
  await Promise.all(bringing);
  assert.deepEqual(await lab.leftovers(), NOTHING);
});

test('a stop cannot be cancelled, neither by id nor by hanging up', async () => {
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
  const { promise, resolve } = Promise.withResolvers<void>();
  lab.guests.syncGate = promise;
  let id = '';
  for await (const step of lab.client.stopVm('web', { signal })) {
    if (step.event === 'operation') id = step.id;
    if (step.event === 'progress') break;
  }
  await assert.rejects(lab.client.cancelOperation(id, { signal }), {
    code: 'OPERATION_NOT_CANCELLABLE',
    hint: `wait for it: banger operations follow ${id}`,
  });
  resolve();
  assert.equal(((await resultOf(lab.client.followOperation(id, { signal }))) as Vm).state, 'stopped');
});

test('a failed operation is listed with its error', async () => {
  await assert.rejects(resultOf(lab.client.createVm({ name: 'web', vcpuCount: 99 }, { signal })));
  const operations = await lab.client.listOperations({ isAll: true, signal });
  const last = operations.at(-1);
  assert.deepEqual([last?.kind, last?.state, last?.error?.code], ['vm.create', 'failed', 'VM_SHAPE_INVALID']);
});

test('an unknown operation is an error', async () => {
  for (const id of ['op-00000000', 'nonsense', '../vms']) {
    const code = 'OPERATION_NOT_FOUND';
    await assert.rejects(async () => await lab.client.cancelOperation(id, { signal }), { code });
    await assert.rejects(async () => await resultOf(lab.client.followOperation(id, { signal })), { code });
  }
});

test('a daemon that stops cancels detached operations, and leaves nothing of them', async () => {
  await using other = await openDaemonLab();
  const daemon = await other.start();
  other.guests.readyGate = new Promise(() => {});
  for await (const step of other.client.createVm({ name: 'left' }, { isDetached: true, signal })) {
    if (step.event === 'progress' && step.stage === 'init') break;
  }
  daemon.abort();
  await daemon.ended;
  assert.deepEqual(await other.leftovers(), NOTHING);
});
