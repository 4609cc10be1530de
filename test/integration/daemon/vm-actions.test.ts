import assert from 'node:assert/strict';
import { rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import type { Vm } from '../../../src/protocol/vm.ts';
import { resultOf, type Work, type WorkNews } from '../../../src/sdk/work.ts';
import { type DaemonLab, labRecord, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { soon } from '../../support/soon.ts';

const signal = neverAborts();
const MIB = 2 ** 20;

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
});

afterEach(async () => {
  delete lab.guests.isSilent;
  delete lab.guests.isIdle;
  lab.guests.syncGate = undefined;
  lab.guests.readyGate = undefined;
  const vms = await lab.client.listVms({ isAll: true, signal });
  await Promise.all(vms.map(({ id }) => resultOf(lab.client.deleteVm(id, { signal }))));
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

const make = (name: string, { noStart = false } = {}): Promise<Vm> =>
  resultOf(lab.client.createVm({ name, noStart }, { signal }));

/** A VM that has run, so it has drives. */
async function makeStopped(name: string): Promise<Vm> {
  await make(name);
  return await resultOf(lab.client.stopVm(name, { signal }));
}

/** The result, and the notices on the way. */
async function noticed(work: Work<Vm>): Promise<{ vm: Vm; notices: string[] }> {
  const notices: string[] = [];
  const vm = await resultOf(work, (news) => {
    if (news.event === 'notice') notices.push(news.message);
  });
  return { vm, notices };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const attempt = async (): Promise<true | undefined> => (await isSo()) || undefined;
  await poll(attempt, { everyMs: 10, deadlineMs: 55_000, what, signal });
}

describe('restart', () => {
  test('syncs and reboots a running VM, and starts one that does not run', async () => {
    const first = await make('web');
    const synced = lab.guests.syncCount;
    const again = await resultOf(lab.client.restartVm('web', { signal }));
    assert.equal(again.state, 'running');
    assert.notEqual(again.runtime?.pid, first.runtime?.pid);
    assert.ok(lab.guests.syncCount > synced);
    await resultOf(lab.client.stopVm('web', { signal }));
    assert.equal((await resultOf(lab.client.restartVm('web', { signal }))).state, 'running');
    await assert.rejects(resultOf(lab.client.restartVm('nobody', { signal })), { code: 'VM_NOT_FOUND' });
  });
});

describe('stop', () => {
  test('of a healthy guest causes no warning', async () => {
    await make('well');
    assert.deepEqual((await noticed(lab.client.stopVm('well', { signal }))).notices, []);
  });

  test('asks a guest with running programs to power off, and ends one without any at once', async () => {
    await make('busy');
    await make('idle');
    const asked = lab.guests.powerOffCount ?? 0;
    await resultOf(lab.client.stopVm('busy', { signal }));
    assert.equal(lab.guests.powerOffCount, asked + 1);
    lab.guests.isIdle = true;
    const synced = lab.guests.syncCount;
    await resultOf(lab.client.stopVm('idle', { signal }));
    assert.deepEqual([lab.guests.powerOffCount, lab.guests.syncCount], [asked + 1, synced + 1]);
  });

  test('of a guest whose agent is dead ends soon, with a warning that its data may be lost', async () => {
    await make('dead');
    lab.guests.isSilent = true;
    const { vm, notices } = await soon(30_000, noticed(lab.client.stopVm('dead', { signal })));
    assert.deepEqual(
      [vm.state, notices],
      [
        'stopped',
        [
          'vm "dead" is killed without a sync: its agent does not answer; data that it had not written to its disks is lost',
        ],
      ],
    );
    assert.equal((await lab.leftovers()).processes, 0);
  });

  test('waits for a long sync, because it saves data', async () => {
    await make('slow');
    const { promise, resolve } = Promise.withResolvers<void>();
    lab.guests.syncGate = promise;
    setTimeout(resolve, 3_000);
    const synced = lab.guests.syncCount;
    assert.deepEqual((await noticed(lab.client.stopVm('slow', { signal }))).notices, []);
    assert.ok(lab.guests.syncCount > synced);
  });
});

describe('kill', () => {
  for (const vmmSignal of [undefined, 'SIGKILL', 'SIGUSR2'] as const) {
    test(`${vmmSignal ?? 'without a signal'} syncs the guest, and the VM is stopped and can be started`, async () => {
      await make('web');
      const synced = lab.guests.syncCount;
      const request = vmmSignal ? { signal: vmmSignal } : {};
      const { vm, notices } = await noticed(lab.client.killVm('web', request, { signal }));
      assert.deepEqual([vm.state, vm.runtime, notices], ['stopped', undefined, []]);
      assert.equal(lab.guests.syncCount, synced + 1);
      assert.equal((await lab.leftovers()).processes, 0);
      assert.equal((await resultOf(lab.client.startVm('web', { signal }))).state, 'running');
    });
  }

  test('warns when the guest could not sync', async () => {
    await make('dead');
    lab.guests.isSilent = true;
    const { vm, notices } = await noticed(lab.client.killVm('dead', {}, { signal }));
    assert.equal(vm.state, 'stopped');
    assert.match(notices.join(), /killed without a sync: its agent does not answer/);
  });

  test('does not change a VM that does not run', async () => {
    await make('cold', { noStart: true });
    assert.equal((await resultOf(lab.client.killVm('cold', {}, { signal }))).state, 'created');
  });

  test('turns a suspended VM into a stopped one', async () => {
    await make('asleep');
    await resultOf(lab.client.suspendVm('asleep', { signal }));
    assert.equal((await resultOf(lab.client.killVm('asleep', {}, { signal }))).state, 'stopped');
  });

  test('ends a start that hangs, and the VM is unchanged', async () => {
    await make('hangs', { noStart: true });
    lab.guests.readyGate = new Promise(() => {});
    const starting = assert.rejects(resultOf(lab.client.startVm('hangs', { signal })), {
      code: 'OPERATION_CANCELLED',
      message: 'The operation was cancelled: vm "hangs" is killed',
    });
    await until('the start', async () => (await lab.client.showVm('hangs', { signal })).state === 'starting');
    const { vm } = await noticed(lab.client.killVm('hangs', {}, { signal }));
    assert.equal(vm.state, 'created');
    await starting;
    assert.equal((await lab.leftovers()).processes, 0);
  });

  test('ends a stop that hangs', async () => {
    await make('hangs');
    lab.guests.syncGate = new Promise(() => {});
    const stopping = resultOf(lab.client.stopVm('hangs', { signal }));
    await until('the stop', async () => (await lab.client.showVm('hangs', { signal })).state === 'stopping');
    // Before the sync times out.
    const { vm } = await soon(5_000, noticed(lab.client.killVm('hangs', {}, { signal })));
    assert.equal(vm.state, 'stopped');
    const { state, ending } = await stopping;
    assert.equal(state, 'stopped');
    assert.deepEqual(ending, { synced: false, reason: 'the stop was interrupted' });
  });
});

describe('set', () => {
  test('changes a VM that does not run, and the next start uses it', async () => {
    await makeStopped('web');
    const request = { vcpuCount: 2, memoryMib: 512, diskSizeBytes: 128 * MIB };
    const { shape, id } = await resultOf(lab.client.setVm('web', request, { signal }));
    assert.deepEqual(shape, { ...request, systemOverlaySizeBytes: 64 * MIB });
    assert.equal((await stat(join(lab.settings.paths.vmsDir, id, 'work.raw'))).size, 128 * MIB);
    const started = await resultOf(lab.client.startVm('web', { signal }));
    assert.deepEqual([started.state, started.shape], ['running', shape]);
  });

  test('accepts more virtual CPUs than the host has, with one line that says they share', async () => {
    const told: string[] = [];
    const listen = (news: WorkNews): void => {
      if (news.event === 'notice' && /virtual CPUs/.test(news.message)) told.push(news.message);
    };
    const request = { name: 'web', vcpuCount: 5, noStart: true };
    const made = await resultOf(lab.client.createVm(request, { signal }), listen);
    assert.equal(made.shape.vcpuCount, 5);
    assert.deepEqual(told, ['5 virtual CPUs share the 4 processors of this host']);
    const set = await resultOf(lab.client.setVm('web', { vcpuCount: 64 }, { signal }), listen);
    assert.equal(set.shape.vcpuCount, 64);
    await resultOf(lab.client.setVm('web', { vcpuCount: 64, diskSizeBytes: 128 * MIB }, { signal }), listen);
    await resultOf(lab.client.setVm('web', { vcpuCount: 4 }, { signal }), listen);
    assert.deepEqual(told.slice(1), ['64 virtual CPUs share the 4 processors of this host']);
  });

  test('changes a VM that never ran, whose first start uses it', async () => {
    await make('web', { noStart: true });
    await resultOf(lab.client.setVm('web', { diskSizeBytes: 128 * MIB }, { signal }));
    const { id } = await resultOf(lab.client.startVm('web', { signal }));
    assert.equal((await stat(join(lab.settings.paths.vmsDir, id, 'work.raw'))).size, 128 * MIB);
  });

  test('changes NAT together with the shape, and neither if the shape is invalid', async () => {
    await make('web');
    const both = { vcpuCount: 2, nat: true };
    await assert.rejects(resultOf(lab.client.setVm('web', both, { signal })), { code: 'VM_NOT_STOPPED' });
    assert.equal((await lab.client.showVm('web', { signal })).nat, false);
    await resultOf(lab.client.stopVm('web', { signal }));
    const { nat, shape } = await resultOf(lab.client.setVm('web', both, { signal }));
    assert.deepEqual([nat, shape.vcpuCount], [true, 2]);
  });

  test('refuses a running VM, and names what cannot be changed', async () => {
    await make('web');
    await assert.rejects(
      resultOf(
        lab.client.setVm('web', { vcpuCount: 2, memoryMib: 512, diskSizeBytes: 64 * MIB }, { signal }),
      ),
      {
        code: 'VM_NOT_STOPPED',
        message: 'Cannot change vcpu, memory of "web": it must be stopped, but is running',
        hint: 'banger vm stop web',
      },
    );
    const same = await resultOf(lab.client.setVm('web', { vcpuCount: 1 }, { signal }));
    assert.equal(same.state, 'running');
  });

  test('refuses a smaller disk with the reason, and invalid values', async () => {
    const before = await make('web', { noStart: true });
    for (const [request, code] of [
      [{ diskSizeBytes: 32 * MIB }, 'VM_SHAPE_INVALID'],
      [{ vcpuCount: 99 }, 'VM_SHAPE_INVALID'],
      [{ memoryMib: 1 }, 'VM_SHAPE_INVALID'],
    ] as const) {
      await assert.rejects(resultOf(lab.client.setVm('web', request, { signal })), { code });
    }
    await resultOf(lab.client.setVm('web', { diskSizeBytes: 128 * MIB }, { signal }));
    await assert.rejects(resultOf(lab.client.setVm('web', { diskSizeBytes: 64 * MIB }, { signal })), {
      code: 'VM_DISK_SHRINKS',
      message: 'Cannot make the work disk of "web" 64M: it has 128M, and shrinking it could destroy data',
    });
    const { shape } = await lab.client.showVm('web', { signal });
    assert.deepEqual(shape, { ...before.shape, diskSizeBytes: 128 * MIB });
  });

  test('leaves a VM unchanged when its disk cannot grow', async () => {
    const before = await makeStopped('web');
    const drive = join(lab.settings.paths.vmsDir, before.id, 'work.raw');
    await rename(drive, `${drive}.away`);
    await assert.rejects(
      resultOf(lab.client.setVm('web', { diskSizeBytes: 128 * MIB, vcpuCount: 2 }, { signal })),
      {
        code: 'VMM_DRIVE_INVALID',
      },
    );
    assert.deepEqual((await lab.client.showVm('web', { signal })).shape, before.shape);
    await rename(`${drive}.away`, drive);
    assert.equal((await resultOf(lab.client.startVm('web', { signal }))).state, 'running');
  });
});

test('after a daemon died while a disk grew, the next one makes it as large as its record says', async () => {
  await using other = await openDaemonLab();
  const first = await other.start();
  const { id } = await resultOf(other.client.createVm({ name: 'web' }, { signal }));
  await resultOf(other.client.stopVm('web', { signal }));
  await first[Symbol.asyncDispose]();
  other.withRecords((records) => {
    const record = records.get(id);
    assert.ok(record);
    records.update({ ...record, shape: { ...record.shape, diskSizeBytes: 256 * MIB } });
  });
  await other.start();
  assert.equal((await stat(join(other.settings.paths.vmsDir, id, 'work.raw'))).size, 256 * MIB);
  const drives = other.withRecords((records) => records.get(id)?.drives);
  assert.equal(drives?.find(({ serial }) => serial === 'work')?.sizeBytes, 256 * MIB);
  assert.equal((await resultOf(other.client.startVm('web', { signal }))).state, 'running');
});

describe('rename', () => {
  test('gives a VM a new name, and its guest a new host name', async () => {
    const { id } = await make('old');
    lab.guests.personalised.length = 0;
    const renamed = await resultOf(lab.client.renameVm('old', 'new', { signal }));
    assert.deepEqual([renamed.id, renamed.name], [id, 'new']);
    assert.deepEqual(lab.guests.personalised, [{ hostname: 'new' }]);
    assert.equal((await lab.client.showVm('new', { signal })).id, id);
    await assert.rejects(lab.client.showVm('old', { signal }), { code: 'VM_NOT_FOUND' });
    await make('old', { noStart: true });
  });

  test('refuses a taken or invalid name, and changes nothing', async () => {
    await make('one', { noStart: true });
    await make('two', { noStart: true });
    for (const [name, code] of [
      ['two', 'VM_NAME_TAKEN'],
      ['Two', 'VM_NAME_INVALID'],
      ['', 'VM_NAME_INVALID'],
    ] as const) {
      await assert.rejects(resultOf(lab.client.renameVm('one', name, { signal })), { code });
    }
    assert.equal((await resultOf(lab.client.renameVm('one', 'one', { signal }))).name, 'one');
    const names = (await lab.client.listVms({ isAll: true, signal })).map(({ name }) => name);
    assert.deepEqual(names, ['one', 'two']);
  });

  test('succeeds with a warning when the guest does not answer', async () => {
    await make('one');
    lab.guests.personaliseError = new AppError('GUEST_FAILED', 'no name');
    const { vm, notices } = await noticed(lab.client.renameVm('one', 'two', { signal }));
    lab.guests.personaliseError = undefined;
    assert.equal(vm.name, 'two');
    assert.match(notices.join(), /keeps its old host name until its next start: no name/);
  });
});

describe('wait', () => {
  test('returns when the VM meets the condition, at once or later', async () => {
    await make('web', { noStart: true });
    const wait = (condition: 'running' | 'ready' | 'stopped' | 'deleted'): Promise<Vm> =>
      resultOf(lab.client.waitForVm('web', { until: condition }, { signal }));
    assert.equal((await wait('stopped')).state, 'created');
    const ready = wait('ready');
    const running = wait('running');
    await resultOf(lab.client.startVm('web', { signal }));
    assert.deepEqual([(await ready).state, (await running).state], ['running', 'running']);
    const stopped = wait('stopped');
    const deleted = wait('deleted');
    const pid = (await lab.client.showVm('web', { signal })).runtime?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    assert.equal((await stopped).state, 'stopped');
    await resultOf(lab.client.deleteVm('web', { signal }));
    assert.equal((await deleted).name, 'web');
  });

  test('does not consider a VM with a silent agent ready', async () => {
    await make('web');
    lab.guests.isSilent = true;
    const request = { until: 'ready', timeoutMs: 300 } as const;
    await assert.rejects(resultOf(lab.client.waitForVm('web', request, { signal })), {
      code: 'WAIT_TIMEOUT',
    });
  });

  test('fails at the timeout, and when the VM is deleted meanwhile', async () => {
    await make('web', { noStart: true });
    await assert.rejects(
      resultOf(lab.client.waitForVm('web', { until: 'running', timeoutMs: 50 }, { signal })),
      {
        code: 'WAIT_TIMEOUT',
        message: 'Timed out after 0.05 s waiting for "web" to be running',
      },
    );
    const waiting = assert.rejects(resultOf(lab.client.waitForVm('web', { until: 'running' }, { signal })), {
      code: 'VM_NOT_FOUND',
      message: /it was deleted/,
    });
    await resultOf(lab.client.deleteVm('web', { signal }));
    await waiting;
  });
});

test('a delete that requires a VM not to run is refused when it runs by now', async () => {
  await make('web');
  await assert.rejects(resultOf(lab.client.deleteVm('web', { onlyResting: true, signal })), {
    code: 'VM_IN_USE',
    message: 'Cannot prune vm "web": it is now running',
  });
  using session = await lab.client.exec('web', shell('echo still'), { signal });
  assert.equal((await session.collect()).stdout.toString(), 'still\n');
  await resultOf(lab.client.stopVm('web', { signal }));
  await resultOf(lab.client.deleteVm('web', { onlyResting: true, signal }));
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
});

test('the error for an ambiguous start of an id lists the VMs', async () => {
  await using other = await openDaemonLab();
  const daemon = await other.start();
  await daemon[Symbol.asyncDispose]();
  other.withRecords((records) => {
    for (const id of ['abc000000001', 'abc000000002']) records.insert(labRecord({ id, state: 'stopped' }));
  });
  await other.start();
  await assert.rejects(resultOf(other.client.startVm('abc', { signal })), {
    code: 'VM_REF_AMBIGUOUS',
    hint: 'use one of vm-abc000000001 (abc000000001), vm-abc000000002 (abc000000002)',
  });
});
