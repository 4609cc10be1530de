import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { ensurePrivateDir } from '../../../src/base/files/private-dir.ts';
import { LatestTasks } from '../../../src/base/latest-tasks.ts';
import type { RunningVm } from '../../../src/core/ports/vmm/running-vm.ts';
import { VM_STATES, type VmState } from '../../../src/protocol/vm.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, labRecord, openDaemonLab, serveLab, shell } from '../../support/daemon-lab.ts';
import { soon } from '../../support/soon.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
const NOTHING = { records: [], folders: [], processes: 0 };

const hasNothing = async (lab: DaemonLab): Promise<boolean> => {
  const { records, folders, processes } = await lab.leftovers();
  return records.length + folders.length + processes === 0;
};

/** Runs a module of this project in a process of its own and waits for its first output. */
async function runChild(script: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit').then(() => assert.fail('the child ended early'));
  exited.catch(() => {});
  await Promise.race([once(child.stdout, 'data'), exited]);
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

const serveScript = (dir: string): string => `
  import { ${serveLab.name} } from ${JSON.stringify(import.meta.resolve('../../support/daemon-lab.ts'))};
  await ${serveLab.name}(${JSON.stringify(dir)});`;

test('a leased VM is deleted when its client closes the lease, and when the client is killed', async () => {
  await using lab = await openDaemonLab();
  await lab.start();
  const lease = await lab.client.leaseVm({ name: 'leased' }, { signal });
  assert.equal(lease.vm.ephemeral, true);
  assert.deepEqual((await lab.leftovers()).records, ['leased']);
  await lease[Symbol.asyncDispose]();
  await until(() => hasNothing(lab), { what: 'the VM to go with its lease' });

  const child = await runChild(`
    import { createClient } from ${JSON.stringify(import.meta.resolve('../../../src/sdk/client.ts'))};
    const client = createClient({ socketPath: ${JSON.stringify(lab.settings.paths.daemonSocket)} });
    const { vm } = await client.leaseVm({}, { signal: new AbortController().signal });
    process.stdout.write(vm.name);
    setInterval(() => {}, 1000);`);
  assert.equal((await lab.leftovers()).processes, 1);
  await kill(child);
  await until(() => hasNothing(lab), { what: 'the VM to go with its client' });
});

test('when another client deletes a leased VM, the lease ends without an error', async () => {
  await using lab = await openDaemonLab();
  await lab.start();
  await using lease = await lab.client.leaseVm({}, { signal });
  await resultOf(lab.client.deleteVm(lease.vm.id, { signal }));
  assert.deepEqual(await lab.leftovers(), NOTHING);
  await lease[Symbol.asyncDispose]();
  await lab.client.daemonStatus({ signal });
  assert.deepEqual(
    lab.logged.filter(({ level }) => level === 'error'),
    [],
  );
});

for (const stage of ['drives', 'start', 'boot', 'init']) {
  test(`a creation leaves nothing when its client hangs up at the stage "${stage}"`, async () => {
    await using lab = await openDaemonLab();
    await lab.start();
    lab.guests.readyGate = new Promise(() => {});
    for await (const step of lab.client.createVm({ name: 'gone' }, { signal })) {
      if (step.event === 'progress' && step.stage === stage) break;
    }
    await until(async () => (await lab.client.daemonStatus({ signal })).activeRequestCount === 0, {
      what: 'the undo',
    });
    assert.deepEqual(await lab.leftovers(), NOTHING);
  });
}

test('VMs outlive a killed daemon, and the next one adopts them', async () => {
  await using lab = await openDaemonLab();
  const killed = await runChild(serveScript(lab.dir));
  const made = await resultOf(lab.client.createVm({ name: 'stays' }, { signal }));
  const lease = await lab.client.leaseVm({ name: 'leased' }, { signal });
  await kill(killed);
  await assert.rejects(lab.client.listVms({ signal }), { code: 'DAEMON_UNREACHABLE' });
  await lease[Symbol.asyncDispose]();

  // Its stale socket is still there.
  await using daemon = await lab.start();
  const [adopted, ...others] = await lab.client.listVms({ signal });
  assert.deepEqual(others, []);
  assert.deepEqual([adopted?.name, adopted?.runtime?.pid], ['stays', made.runtime?.pid]);
  using session = await lab.client.exec('stays', shell('echo alive'), { signal });
  assert.equal((await session.collect()).stdout.toString(), 'alive\n');
  assert.equal((await resultOf(lab.client.stopVm('stays', { signal }))).state, 'stopped');
  assert.equal((await lab.leftovers()).processes, 0);
  await daemon[Symbol.asyncDispose]();
});

/** The state that the next daemon gives a record, with and without a running VMM. */
const RECONCILED: Readonly<Record<VmState, { dead: VmState | 'gone'; running: VmState | 'gone' }>> = {
  creating: { dead: 'gone', running: 'gone' },
  created: { dead: 'created', running: 'created' },
  starting: { dead: 'stopped', running: 'stopped' },
  running: { dead: 'stopped', running: 'running' },
  stopping: { dead: 'stopped', running: 'stopped' },
  stopped: { dead: 'stopped', running: 'stopped' },
  suspending: { dead: 'stopped', running: 'running' },
  suspended: { dead: 'suspended', running: 'suspended' },
  resuming: { dead: 'suspended', running: 'suspended' },
  deleting: { dead: 'gone', running: 'gone' },
  error: { dead: 'error', running: 'error' },
};

/** States in which an earlier daemon may have left a VMM. */
const WITH_VMM: readonly VmState[] = [
  'creating',
  'starting',
  'running',
  'stopping',
  'suspending',
  'suspended',
  'resuming',
  'deleting',
];

test('a daemon repairs at its start what an earlier one has left in any state', async () => {
  await using lab = await openDaemonLab();
  const { paths } = lab.settings;
  for (const dir of [paths.stateDir, paths.vmsDir]) await ensurePrivateDir(dir);
  const wanted = new Map<string, string>();
  for (const [index, state] of VM_STATES.entries()) {
    for (const isRunning of WITH_VMM.includes(state) ? [false, true] : [false]) {
      const id = `${index}${isRunning ? 'a' : 'b'}`.padStart(12, '0');
      const running = isRunning ? await startVmm(lab, id) : undefined;
      await mkdir(join(paths.vmsDir, id), { recursive: true });
      const runtime = running && { vmm: running.vmm, accelerator: 'tcg' as const, startedAt: '' };
      lab.withRecords((records) => records.insert(labRecord({ id, state, ...(runtime ? { runtime } : {}) })));
      wanted.set(id, RECONCILED[state][isRunning ? 'running' : 'dead']);
    }
  }
  // A process other than the recorded one; an ephemeral VM; folders and a VMM without a record.
  await startVmm(lab, '0000000000f1');
  lab.withRecords((records) => records.insert(labRecord({ id: '0000000000f1', state: 'running' })));
  wanted.set('0000000000f1', 'stopped');
  lab.withRecords((r) => r.insert(labRecord({ id: '0000000000f2', state: 'stopped', ephemeral: true })));
  wanted.set('0000000000f2', 'gone');
  await mkdir(join(paths.vmsDir, '0000000000f3', 'deep'), { recursive: true });
  await startVmm(lab, '0000000000f4');

  await using daemon = await lab.start();
  const found = new Map(
    (await lab.client.listVms({ signal, isAll: true })).map(({ id, state }) => [id, state]),
  );
  for (const [id, state] of wanted) assert.equal(found.get(id) ?? 'gone', state, id);
  const { folders, processes } = await lab.leftovers();
  assert.equal(processes, 2);
  assert.ok(!folders.some((id) => /f[234]$/.test(id)), String(folders));
  assert.deepEqual(
    lab.logged.filter(({ level }) => level === 'error'),
    [],
  );
  await daemon[Symbol.asyncDispose]();
});

async function startVmm(lab: DaemonLab, vmId: string): Promise<RunningVm> {
  const runtimeDir = join(lab.settings.paths.vmRuntimeDir, vmId);
  const dir = join(lab.settings.paths.vmsDir, vmId);
  await mkdir(dir, { recursive: true });
  await ensurePrivateDir(runtimeDir);
  const running = await lab.driver.start(
    {
      vmId,
      vcpuCount: 1,
      memoryMib: 128,
      accelerator: 'tcg',
      bootSource: { arch: 'amd64', kernelPath: '/dev/null', initrdPath: '/dev/null', bootArgs: [] },
      drives: [],
      network: { mode: 'none' },
      runtimeDir,
      consoleLogPath: join(dir, 'console.log'),
      vmmLogPath: join(dir, 'vmm.log'),
    },
    { signal },
  );
  running.detach();
  return running;
}

test('a second daemon exits at once, and the first keeps running', async () => {
  await using lab = await openDaemonLab();
  await lab.start();
  const second = await lab.start();
  assert.equal(await second.ended, false);
  assert.equal((await lab.client.daemonStatus({ signal })).pid, process.pid);
});

test('a daemon that is asked to stop finishes running work, and refuses new requests', async () => {
  await using lab = await openDaemonLab();
  const daemon = await lab.start();
  const { promise: readyGate, resolve: open } = Promise.withResolvers<void>();
  lab.guests.readyGate = readyGate;
  const made = resultOf(lab.client.createVm({ name: 'late' }, { signal }), (step) => {
    if (step.event !== 'progress' || step.stage !== 'init') return;
    daemon.abort();
    // The creation continues only once new requests are refused.
    const isRefused = (): Promise<boolean> =>
      lab.client.daemonStatus({ signal }).then(
        () => false,
        () => true,
      );
    void until(isRefused).then(open);
  });
  assert.equal((await made).state, 'running');
  assert.equal(await daemon.ended, true);
  await assert.rejects(lab.client.daemonStatus({ signal }), { code: 'DAEMON_UNREACHABLE' });
  const { records, processes } = await lab.leftovers();
  assert.deepEqual([records, processes], [['late'], 1]);
});

test('a daemon that is asked to stop exits even if some work hangs, and logs that', async () => {
  await using lab = await openDaemonLab();
  const background = new LatestTasks();
  background.begin('hangs', () => new Promise(() => {}));
  const daemon = await lab.start({ background, stopDeadlineMs: 200 });
  daemon.abort();
  assert.equal(await daemon.ended, true);
  const warnings = lab.logged.filter(({ level }) => level === 'warn').map(({ msg }) => msg);
  assert.deepEqual(warnings, ['the daemon leaves to the next one what has not ended']);
  await lab.start();
  assert.deepEqual(await lab.client.listVms({ signal }), []);
});

test('a client may stop the daemon, and gets its answer', async () => {
  await using lab = await openDaemonLab();
  const daemon = await lab.start();
  await lab.client.stopDaemon({ signal });
  assert.equal(await daemon.ended, true);
});

test('an idle connection does not delay a daemon that stops', async () => {
  await using lab = await openDaemonLab();
  const daemon = await lab.start();
  const socket = connect(lab.settings.paths.daemonSocket);
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  daemon.abort();
  await soon(30_000, daemon.ended);
  await closed;
});

test('a daemon without requests and VMs ends by itself; one with a VM stays', async () => {
  await using lab = await openDaemonLab();
  assert.equal(await (await lab.start({ idleExitMs: 50 })).ended, true);
  {
    await using _earlier = await lab.start();
    await resultOf(lab.client.createVm({ name: 'keeps' }, { signal }));
  }
  const daemon = await lab.start({ idleExitMs: 50 });
  const first = await Promise.race([
    daemon.ended,
    new Promise((resolve) => setTimeout(resolve, 1_000, 'stays')),
  ]);
  assert.equal(first, 'stays');
  await resultOf(lab.client.stopVm('keeps', { signal }));
  assert.equal(await daemon.ended, true);
});
