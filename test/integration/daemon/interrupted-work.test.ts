import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import type { VmState } from '../../../src/protocol/vm.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { soon } from '../../support/soon.ts';

const signal = neverAborts();

/** `ms`: a copy that is interrupted ends within a second. */
const SOON_MS = 5_000;

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start({ canSave: true });
});

afterEach(async () => {
  lab.guests.copyGate = undefined;
  lab.guests.syncGate = undefined;
  for (const { id } of await lab.client.listVms({ isAll: true, signal })) {
    await resultOf(lab.client.deleteVm(id, { signal }));
  }
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

/** Operations that copy or save a VM. Each runs forever, because the copy never begins. */
const COPIES: Record<string, () => Promise<unknown>> = {
  'a fork': () => resultOf(lab.client.forkVm('web', { names: ['copy'] }, { signal })),
  'a snapshot': () => resultOf(lab.client.createSnapshot('web', { tag: 'one' }, { signal })),
  'a suspend': () => resultOf(lab.client.suspendVm('web', { signal })),
};

for (const [what, begin] of Object.entries(COPIES)) {
  test(`kill interrupts ${what} in progress, and nothing of it is left`, async () => {
    const { id, work } = await beginCopy(begin);
    const killed = await soon(SOON_MS, resultOf(lab.client.killVm('web', {}, { signal })));
    assert.equal(killed.state, 'stopped');
    const error = { code: 'OPERATION_CANCELLED', message: /vm "web" is killed$/ };
    await assert.rejects(work, error);
    assert.deepEqual(await filesOf(id), ['console.log', 'overlay.raw', 'work.raw']);
    const { records, processes } = await lab.leftovers();
    assert.deepEqual([records, processes], [['web'], 0]);
    const [last] = (await lab.client.listOperations({ isAll: true, signal })).filter(
      ({ kind }) => !['vm.kill', 'vm.create', 'vm.delete'].includes(kind),
    );
    assert.equal(last?.state, 'cancelled');
  });

  test(`delete interrupts ${what} in progress, and nothing at all is left`, async () => {
    const { work } = await beginCopy(begin);
    await soon(SOON_MS, resultOf(lab.client.deleteVm('web', { signal })));
    await assert.rejects(work, { code: 'OPERATION_CANCELLED', message: /vm "web" is deleted$/ });
    assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
  });
}

test('delete ends a stop and a kill that wait for the guest to write', async () => {
  for (const verb of ['stopVm', 'killVm'] as const) {
    await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
    lab.guests.syncGate = new Promise(() => {});
    const work =
      verb === 'stopVm' ? lab.client.stopVm('web', { signal }) : lab.client.killVm('web', {}, { signal });
    const ended = resultOf(work);
    await stateIs('stopping');
    await soon(SOON_MS, resultOf(lab.client.deleteVm('web', { signal })));
    assert.equal((await ended).state, 'stopped');
  }
});

/** A VM with a copy in progress that would never end. */
async function beginCopy(begin: () => Promise<unknown>): Promise<{ id: string; work: Promise<unknown> }> {
  const { id } = await resultOf(lab.client.createVm({ name: 'web', cold: true }, { signal }));
  let isReached = false;
  lab.guests.copyGate = {
    // biome-ignore lint/suspicious/noThenProperty: it notes that somebody waits for it
    then: () => {
      isReached = true;
    },
  } as unknown as Promise<void>;
  const work = begin();
  work.catch(() => {});
  const what = 'the copy to begin';
  await poll(() => isReached || undefined, { everyMs: 5, deadlineMs: 55_000, what, signal });
  return { id, work };
}

async function stateIs(wanted: VmState): Promise<void> {
  const look = async (): Promise<true | undefined> =>
    (await lab.client.showVm('web', { signal })).state === wanted || undefined;
  await poll(look, { everyMs: 5, deadlineMs: 55_000, what: `the VM to be ${wanted}`, signal });
}

/** Names of all files below the VM's folder. */
async function filesOf(vmId: string): Promise<string[]> {
  const dir = join(lab.settings.paths.vmsDir, vmId);
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.flatMap((entry) => (entry.isFile() ? entry.name : [])).sort();
}
