import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import { exec } from '../../../src/base/process/exec.ts';
import type { Vm } from '../../../src/protocol/vm.ts';
import { resultOf, type Work, type WorkNews } from '../../../src/sdk/work.ts';
import { runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { guestRootOf } from '../../support/fakes/fake-vm-driver.ts';

const signal = neverAborts();

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

test('a VM is created, shown, used, stopped, started again and deleted', async () => {
  const { client } = lab;
  const news: WorkNews[] = [];
  const made = await resultOf(client.createVm({ name: 'web', memoryMib: 256 }, { signal }), (n) =>
    news.push(n),
  );
  assert.equal(made.state, 'running');
  assert.deepEqual(
    [made.name, made.shape.memoryMib, made.image, made.ephemeral],
    ['web', 256, 'debian-bookworm', false],
  );
  assert.ok(made.runtime && made.runtime.pid > 0);
  assert.deepEqual(
    news.map((step) => (step.event === 'progress' ? step.stage : step.event)),
    ['operation', 'spec', 'notice', 'drives', 'start', 'boot', 'personalise', 'init'],
  );
  assert.deepEqual(
    (await client.listVms({ signal })).map(({ name }) => name),
    ['web'],
  );
  for (const ref of ['web', made.id, made.id.slice(0, 5)]) {
    assert.equal((await client.showVm(ref, { signal })).id, made.id, ref);
  }

  using session = await client.exec('web', shell('echo out; echo err >&2; exit 3'), { signal });
  const { exit, stdout, stderr } = await session.collect();
  assert.deepEqual([exit, stdout.toString(), stderr.toString()], [{ code: 3 }, 'out\n', 'err\n']);

  const stopped = await resultOf(client.stopVm('web', { signal }));
  assert.equal(stopped.state, 'stopped');
  assert.equal(stopped.runtime, undefined);
  assert.deepEqual(await client.listVms({ signal }), []);
  assert.deepEqual(
    (await client.listVms({ signal, isAll: true })).map(({ name }) => name),
    ['web'],
  );
  assert.equal((await lab.leftovers()).processes, 0);
  await assert.rejects(client.exec('web', shell('true'), { signal }), { code: 'VM_NOT_RUNNING' });

  const again = await resultOf(client.startVm('web', { signal }));
  assert.equal(again.state, 'running');
  assert.notEqual(again.runtime?.pid, made.runtime.pid);
  await resultOf(client.deleteVm('web', { signal }));
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
  await assert.rejects(client.showVm('web', { signal }), { code: 'VM_NOT_FOUND' });
});

test('each start gives the guest its name, the time, entropy, and its own machine id', async () => {
  const { client, guests } = lab;
  guests.personalised.length = 0;
  await resultOf(client.createVm({ name: 'one' }, { signal }));
  await resultOf(client.stopVm('one', { signal }));
  await resultOf(client.startVm('one', { signal }));
  await resultOf(client.createVm({ name: 'two' }, { signal }));
  const [first, second, other] = guests.personalised;
  assert.deepEqual([first?.hostname, second?.hostname, other?.hostname], ['one', 'one', 'two']);
  assert.match(first?.machineId ?? '', /^[0-9a-f]{32}$/);
  assert.equal(first?.machineId, second?.machineId);
  assert.notEqual(first?.machineId, other?.machineId);
  assert.notEqual(first?.entropyBase64, second?.entropyBase64);
  assert.ok(Math.abs((other?.wallClockMs ?? 0) - Date.now()) < 60_000);
  for (const name of ['one', 'two']) await resultOf(client.deleteVm(name, { signal }));
});

test('a guest writes its data before it is stopped', async () => {
  await resultOf(lab.client.createVm({ name: 'sync' }, { signal }));
  const before = lab.guests.syncCount;
  await resultOf(lab.client.stopVm('sync', { signal }));
  assert.equal(lab.guests.syncCount, before + 1);
  await resultOf(lab.client.deleteVm('sync', { signal }));
});

test('stop and delete report their stages, so that it is visible which one takes long', async () => {
  const stagesOf = async (work: Work<Vm>): Promise<string[]> => {
    const stages: string[] = [];
    await resultOf(work, (step) => {
      if (step.event === 'progress') stages.push(step.stage);
    });
    return stages;
  };
  await resultOf(lab.client.createVm({ name: 'staged' }, { signal }));
  assert.deepEqual(await stagesOf(lab.client.stopVm('staged', { signal })), ['sync', 'power off', 'kill']);
  assert.deepEqual(await stagesOf(lab.client.deleteVm('staged', { signal })), ['kill', 'files']);
});

test('with noStart there are drives and no process; it starts later', async () => {
  const vm = await resultOf(lab.client.createVm({ name: 'cold', noStart: true }, { signal }));
  assert.equal(vm.state, 'created');
  assert.equal((await lab.leftovers()).processes, 0);
  assert.equal((await resultOf(lab.client.startVm('cold', { signal }))).state, 'running');
  assert.equal((await resultOf(lab.client.startVm('cold', { signal }))).state, 'running');
  await resultOf(lab.client.deleteVm('cold', { signal }));
});

test('a VM is stopped after a stop of a VM that does not run, and after its VMM has ended by itself', async () => {
  const vm = await resultOf(lab.client.createVm({ name: 'self' }, { signal }));
  assert.ok(vm.runtime);
  process.kill(vm.runtime.pid, 'SIGKILL');
  await poll(async () => (await lab.client.showVm('self', { signal })).state === 'stopped' || undefined, {
    everyMs: 10,
    deadlineMs: 55_000,
    what: 'the VM to be stopped',
    signal,
  });
  assert.equal((await resultOf(lab.client.stopVm('self', { signal }))).state, 'stopped');
  assert.equal((await resultOf(lab.client.startVm('self', { signal }))).state, 'running');
  await resultOf(lab.client.deleteVm('self', { signal }));
});

test('the death of a VMM is the last error of its VM, with the end of its console; a power-off is not', async () => {
  const { client } = lab;
  const died = async (): Promise<Vm> => {
    const { runtime, id } = await client.showVm('gone', { signal });
    await appendFile(join(lab.settings.paths.vmsDir, id, 'console.log'), 'panic: \x1b[31mred\n');
    process.kill(runtime?.pid ?? 0, 'SIGKILL');
    return await resultOf(client.waitForVm('gone', { until: 'stopped' }, { signal }));
  };
  await resultOf(client.createVm({ name: 'gone' }, { signal }));
  const { pid } = (await client.showVm('gone', { signal })).runtime ?? {};
  const { state, lastError } = await died();
  assert.deepEqual([state, lastError?.code], ['stopped', 'VMM_DIED']);
  const said = new RegExp(
    `^its VMM, process ${pid}, died, or was killed; its console ends: (.* )?panic: +\\[31mred$`,
  );
  assert.match(lastError?.message ?? '', said);
  const list = await runCli(['vm', 'list', '--all'], { env: lab.env, stdin: stdinOf(), cwd: lab.dir });
  assert.match(list.stdout, /gone +stopped \(VMM_DIED\)/);
  assert.equal((await resultOf(client.startVm('gone', { signal }))).lastError, undefined);
  for (const [by, code] of [
    ['guest', undefined],
    ['signal', 'VMM_DIED'],
  ] as const) {
    lab.guests.endedBy = by;
    assert.equal((await died()).lastError?.code, code);
    await resultOf(client.startVm('gone', { signal }));
  }
  delete lab.guests.endedBy;
  await resultOf(client.deleteVm('gone', { signal }));
});

test('a start fails when a step of the personalisation fails, names the step, leaves no process and can be repeated', async () => {
  const { client } = lab;
  const { id } = await resultOf(client.createVm({ name: 'sick', noStart: true }, { signal }));
  const root = guestRootOf(join(lab.settings.paths.vmRuntimeDir, id));
  // A folder instead of each file that a step writes.
  for (const [step, path] of [
    ['clock', 'kernel/clock'],
    ['entropy', 'kernel/entropy'],
    ['hostname', 'kernel/hostname'],
    ['hostname', 'etc/hosts'],
    ['machine-id', 'etc/machine-id'],
    ['network', 'kernel/network'],
    ['files', 'etc/ssh/ssh_host_ed25519_key'],
    ['files', 'etc/ssh/ssh_host_ed25519_key.pub'],
  ] as const) {
    await mkdir(join(root, path), { recursive: true });
    await assert.rejects(resultOf(client.startVm('sick', { signal })), {
      code: 'GUEST_PERSONALISE_FAILED',
      details: { step },
      message: `Cannot personalise the guest of "sick": the step "${step}" failed`,
    });
    const failed = await client.showVm('sick', { signal });
    assert.equal(failed.state, 'error');
    assert.equal(failed.lastError?.code, 'GUEST_PERSONALISE_FAILED');
    assert.equal((await lab.leftovers()).processes, 0, step);
    await rm(join(root, path), { recursive: true });
  }
  const well = await resultOf(client.startVm('sick', { signal }));
  assert.deepEqual([well.state, well.lastError], ['running', undefined]);
  await resultOf(client.deleteVm('sick', { signal }));
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
});

test('a new VM that cannot be personalised is deleted with everything that was created for it', async () => {
  lab.guests.tamper = (personalisation) => ({ ...personalisation, hostname: 'no host name' });
  await assert.rejects(resultOf(lab.client.createVm({ name: 'never' }, { signal })), {
    code: 'GUEST_PERSONALISE_FAILED',
    details: { step: 'request' },
  });
  lab.guests.tamper = undefined;
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
});

test('a guest has its own ssh host key, and keeps it', async () => {
  const { client } = lab;
  const keyOf = async (name: string): Promise<string> => {
    const { id } = await resultOf(client.createVm({ name }, { signal }));
    const path = join(guestRootOf(join(lab.settings.paths.vmRuntimeDir, id)), 'etc/ssh/ssh_host_ed25519_key');
    const { stdout } = await exec(['ssh-keygen', '-y', '-f', path], { signal });
    assert.equal((await stat(path)).mode & 0o7777, 0o600);
    assert.equal(await readFile(`${path}.pub`, 'utf8'), `${stdout.toString().trim()}\n`);
    const { ctimeMs } = await stat(path);
    await resultOf(client.stopVm(name, { signal }));
    await resultOf(client.startVm(name, { signal }));
    assert.equal((await stat(path)).ctimeMs, ctimeMs, 'the same key was written again');
    return stdout.toString();
  };
  assert.notEqual(await keyOf('key-a'), await keyOf('key-b'));
  for (const name of ['key-a', 'key-b']) await resultOf(client.deleteVm(name, { signal }));
});

test("a guest's clock is set again until it is right, and a guest that does not accept the time fails", async () => {
  const { client, guests } = lab;
  guests.personalised.length = 0;
  const late = [5000, 5000];
  guests.answeredClock = () => Date.now() - (late.shift() ?? 0);
  // The answer is so late that the guest cannot just be slow, so the second one fails.
  await assert.rejects(resultOf(client.createVm({ name: 'late' }, { signal })), {
    code: 'GUEST_PERSONALISE_FAILED',
    details: { step: 'clock' },
  });
  assert.equal(guests.personalised.length, 2);
  late.splice(0, late.length, 150, 99);
  guests.personalised.length = 0;
  await resultOf(client.createVm({ name: 'late' }, { signal }));
  assert.deepEqual(Object.keys(guests.personalised[1] ?? {}), ['wallClockMs']);
  assert.equal(guests.personalised.length, 2);
  guests.answeredClock = undefined;
  await resultOf(client.deleteVm('late', { signal }));
});

test('a VM whose guest is not ready in time is kept on request, even with --rm, and otherwise deleted', async () => {
  const { client, guests } = lab;
  const late = { code: 'GUEST_BOOT_FAILED' };
  guests.personaliseError = new AppError('WAIT_TIMEOUT', 'Timed out');
  await assert.rejects(resultOf(client.createVm({ name: 'late' }, { signal })), late);
  assert.deepEqual(await lab.leftovers(), { records: [], folders: [], processes: 0 });
  await assert.rejects(client.leaseVm({ name: 'late', keepFailed: true }, { signal }), {
    ...late,
    hint: 'the VM is kept so that you can read its console: banger vm logs late; then: banger vm delete late',
  });
  guests.personaliseError = new AppError('GUEST_FAILED', 'no clock');
  await assert.rejects(resultOf(client.createVm({ name: 'sick', keepFailed: true }, { signal })), {
    code: 'GUEST_PERSONALISE_FAILED',
  });
  guests.personaliseError = undefined;

  const kept = await client.showVm('late', { signal });
  assert.deepEqual([kept.state, kept.ephemeral, kept.lastError?.code], ['error', false, late.code]);
  const { records, processes } = await lab.leftovers();
  assert.deepEqual([records, processes], [['late'], 0]);
  await resultOf(client.deleteVm('late', { signal }));
});

test('a start whose client hangs up leaves the VM unchanged', async () => {
  const { client, guests } = lab;
  await resultOf(client.createVm({ name: 'wait', noStart: true }, { signal }));
  guests.readyGate = new Promise(() => {});
  const hangUp = new AbortController();
  for await (const step of client.startVm('wait', { signal: hangUp.signal })) {
    if (step.event === 'progress' && step.stage === 'init') break;
  }
  guests.readyGate = undefined;
  // It takes the VM's lock, so the undo has ended when it returns.
  assert.equal((await resultOf(client.stopVm('wait', { signal }))).state, 'created');
  assert.equal((await lab.leftovers()).processes, 0);
  await resultOf(client.deleteVm('wait', { signal }));
});

test('a missing image is built first, with a report', async () => {
  await using other = await openDaemonLab();
  await other.start({ hasImage: false });
  const notices: string[] = [];
  const vm = await resultOf(other.client.createVm({ noStart: true }, { signal }), (step) => {
    if (step.event === 'notice') notices.push(step.message);
  });
  assert.match(vm.name, /^[a-z]+-[a-z]+$/);
  assert.match(notices[0] ?? '', /building it/);
  assert.deepEqual((await other.client.listImages({ signal }))[0]?.usedBy, [vm.name]);
});

test("a VM's logs are streamed, and followed until the client disconnects", async () => {
  const vm = await resultOf(lab.client.createVm({ name: 'logs' }, { signal }));
  const stop = new AbortController();
  const path = join(lab.settings.paths.vmsDir, vm.id, 'console.log');
  await appendFile(path, 'first\n');
  let text = '';
  await assert.rejects(async () => {
    const logs = lab.client.vmLogs('logs', { kind: 'console', isFollowed: true, signal: stop.signal });
    for await (const chunk of logs) {
      text += chunk.toString();
      if (text.endsWith('first\n')) await appendFile(path, 'second\n');
      if (text.endsWith('second\n')) stop.abort();
    }
  });
  assert.match(text, /first\nsecond\n$/);
  const vmm = await Array.fromAsync(lab.client.vmLogs('logs', { kind: 'vmm', signal }));
  assert.deepEqual(vmm, []);
  await resultOf(lab.client.deleteVm('logs', { signal }));
  const bugs = lab.logged.filter(({ level }) => level === 'error');
  assert.deepEqual(bugs, []);
});
