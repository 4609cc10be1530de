import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import type { VmRecord } from '../../../src/core/ports/records.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab, shell } from '../../support/daemon-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;
let daemon: LabDaemon;
let id: string;

before(async () => {
  lab = await openDaemonLab();
  daemon = await lab.start({ canSave: true });
  ({ id } = await resultOf(lab.client.createVm({ name: 'web' }, { signal })));
  await writeDrive('then');
  await resultOf(lab.client.createSnapshot('web', { tag: 'one' }, { signal }));
  await writeDrive('now');
});

beforeEach(() => {
  Object.assign(lab.guests, {
    restoreError: undefined,
    personaliseError: undefined,
    freeMemoryBytes: undefined,
  });
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

const FAILURES: readonly [string, string, () => void][] = [
  [
    'the VMM refuses the saved guest',
    'VMM_RESTORE_FAILED',
    () => {
      lab.guests.restoreError = new AppError('VMM_RESTORE_FAILED', 'Cannot restore: another version');
    },
  ],
  [
    'the guest cannot be personalised',
    'GUEST_PERSONALISE_FAILED',
    () => {
      lab.guests.personaliseError = new AppError('GUEST_FAILED', 'no', { details: { step: 'clock' } });
    },
  ],
  [
    'there is not enough memory for two guests',
    'HOST_NO_MEMORY',
    () => {
      lab.guests.freeMemoryBytes = 2 ** 20;
    },
  ],
];

for (const [why, code, spoil] of FAILURES) {
  test(`a VM keeps running when its snapshot cannot be restored: ${why}`, async () => {
    const before = await whatIsThere();
    spoil();
    await assert.rejects(restore(), { code });
    lab.guests.personaliseError = undefined;
    assert.deepEqual(await whatIsThere(), before);
    assert.equal(await readDrive(), 'now');
    assert.equal(await echo(), 'alive\n');
  });
}

test('a restore can be cancelled: the VM keeps running, and serves commands until it is replaced', async () => {
  const { guests } = lab;
  const before = await whatIsThere();
  const gate = Promise.withResolvers<void>();
  guests.personaliseGate = gate.promise;
  const stop = new AbortController();
  const cancelled = assert.rejects(
    resultOf(lab.client.restoreSnapshot('web', 'one', { signal: stop.signal })),
  );
  await secondRuns();
  assert.equal(await echo(), 'alive\n');
  stop.abort();
  await cancelled;
  const settled = async (): Promise<true | undefined> =>
    JSON.stringify(await whatIsThere()) === JSON.stringify(before) ? true : undefined;
  // The daemon notices it a moment later.
  await poll(settled, { everyMs: 20, deadlineMs: 30_000, what: 'all to be as before', signal });
  guests.personaliseGate = undefined;
  gate.resolve();
  assert.equal(await echo(), 'alive\n');
});

test('a suspended or stopped VM stays so when its snapshot cannot be restored', async () => {
  const { client, guests } = lab;
  await resultOf(client.suspendVm('web', { signal }));
  for (const state of ['suspended', 'stopped'] as const) {
    if (state === 'stopped') await resultOf(client.stopVm('web', { signal }));
    const before = await whatIsThere();
    guests.restoreError = new AppError('VMM_RESTORE_FAILED', 'Cannot restore');
    await assert.rejects(restore(), { code: 'VMM_RESTORE_FAILED' });
    guests.restoreError = undefined;
    assert.deepEqual(await whatIsThere(), before);
    assert.equal((await client.showVm('web', { signal })).state, state);
    if (state === 'suspended') {
      await resultOf(client.startVm('web', { onlyResume: true, signal }));
      await resultOf(client.suspendVm('web', { signal }));
    }
  }
  await resultOf(client.startVm('web', { signal }));
});

test('the guest of a snapshot replaces the running one, also twice, and a new daemon adopts it', async () => {
  const { client } = lab;
  for (const round of [1, 2, 3]) {
    const { runtime } = await client.showVm('web', { signal });
    const restored = await restore();
    assert.equal(restored.id, id);
    assert.notEqual(restored.runtime?.pid, runtime?.pid, String(round));
    assert.deepEqual([await readDrive(), await echo()], ['then', 'alive\n']);
    const { drives, seconds, processes, record } = await whatIsThere();
    assert.deepEqual([drives.length, seconds.length, processes], [1, 1, 1]);
    assert.equal(record.hasSecondVmm, undefined);
  }
  const { runtime } = await client.showVm('web', { signal });
  await daemon[Symbol.asyncDispose]();
  daemon = await lab.start({ canSave: true });
  assert.deepEqual((await client.showVm('web', { signal })).runtime, runtime);
  assert.equal(await echo(), 'alive\n');
  await resultOf(client.stopVm('web', { signal }));
  assert.deepEqual((await whatIsThere()).processes, 0);
  await resultOf(client.startVm('web', { signal }));
  assert.deepEqual((await whatIsThere()).seconds, []);
});

test("with cold the VM boots with the snapshot's disks, even if its memory does not fit", async () => {
  const { client, guests } = lab;
  await writeDrive('later');
  guests.restoreError = new AppError('VMM_RESTORE_FAILED', 'Cannot restore');
  const restored = await resultOf(client.restoreSnapshot('web', 'one', { cold: true, signal }));
  assert.deepEqual([restored.state, await readDrive()], ['running', 'then']);
});

test('a restored VM that is deleted leaves nothing', async () => {
  await restore();
  await resultOf(lab.client.deleteVm('web', { signal }));
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
});

async function restore() {
  return await resultOf(lab.client.restoreSnapshot('web', 'one', { signal }));
}

async function echo(): Promise<string> {
  using session = await lab.client.exec('web', shell('echo alive'), { signal });
  return (await session.collect()).stdout.toString();
}

async function secondRuns(): Promise<void> {
  const look = async (): Promise<true | undefined> =>
    (await whatIsThere()).seconds.length > 0 ? true : undefined;
  await poll(look, { everyMs: 10, deadlineMs: 55_000, what: 'a second VMM', signal });
}

interface WhatIsThere {
  record: Omit<VmRecord, 'updatedAt' | 'unsyncedIn'>;
  /** folders of drives */
  drives: string[];
  /** runtime folders of VMMs that have replaced another */
  seconds: string[];
  isSaved: boolean;
  processes: number;
}

/** Everything that a VM has; a failed restore leaves it unchanged. */
async function whatIsThere(): Promise<WhatIsThere> {
  const { vmsDir, vmRuntimeDir } = lab.settings.paths;
  const found = lab.withRecords((records) => records.get(id)) ?? assert.fail('it has a record');
  // The saved memory is synced meanwhile.
  const { updatedAt: _, unsyncedIn: __, ...record } = found;
  const names = await readdir(join(vmsDir, id));
  const seconds = await readdir(join(vmRuntimeDir, id));
  return {
    record,
    drives: names.filter((name) => name.startsWith('drives-')),
    seconds: seconds.filter((name) => name.startsWith('r-')),
    isSaved: existsSync(join(vmsDir, id, 'suspended', 'memory')),
    processes: (await lab.leftovers()).processes,
  };
}

/** The VM's work drive according to the record; no guest uses it. */
function drivePath(): string {
  const drives = lab.withRecords((records) => records.get(id)?.drives);
  return drives?.find(({ serial }) => serial === 'work')?.pathOnHost ?? '';
}

async function writeDrive(text: string): Promise<void> {
  await writeFile(drivePath(), text.padEnd(16), { flag: 'r+' });
}

async function readDrive(): Promise<string> {
  return (await readFile(drivePath())).subarray(0, 16).toString().trim();
}
