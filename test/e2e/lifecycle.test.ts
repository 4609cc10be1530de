import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { hostProcesses } from '../../scripts/test/processes.ts';
import type { Vm } from '../../src/protocol/vm.ts';
import { soon } from '../support/soon.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

// Scenarios of a VM's life under their usual names. All but the last share one VM, in this order.

describe("a VM's life", { concurrency: false }, () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab();
  });
  after(() => lab[Symbol.asyncDispose]());

  const inBox = (script: string): Promise<string> =>
    lab.text(['vm', 'exec', 'box', '--', 'sh', '-c', script]);
  const show = async (name: string): Promise<Vm> => JSON.parse(await lab.text(['vm', 'show', name])) as Vm;
  const names = async (): Promise<string[]> =>
    (JSON.parse(await lab.text(['vm', 'list', '--all', '--json'])) as Vm[]).map(({ name }) => name);
  const bootId = (): Promise<string> => inBox('cat /proc/sys/kernel/random/boot_id');

  test('vm_lifecycle', async () => {
    await lab.text(['vm', 'create', '--name', 'box', '--vcpu', '1', ...SMALL]);
    assert.match(await lab.text(['vm', 'show', 'box']), /"state": "running"/);
    assert.equal(await inBox('echo hello; echo kept > /root/file'), 'hello\n');
    const stopped = await lab.run(['vm', 'stop', 'box']);
    assert.deepEqual([stopped.code, stopped.stdout.toString(), stopped.stderr], [0, 'box: stopped\n', '']);
    assert.match(await lab.text(['vm', 'show', 'box']), /"state": "stopped"/);
  });

  test('vm_set', async () => {
    const refused = await lab.run(['vm', 'set', '--disk-size', '64M', 'box']);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /work disk of "box" 64M: it has 1G/);
    assert.equal(
      await lab.text(['vm', 'set', '--vcpu', '2', '--memory', '640', '--disk-size', '3G', 'box']),
      'box: 2 vcpu | 640 MiB | 3G disk\n',
    );
    await lab.text(['vm', 'start', 'box']);
    const [cpus, file, diskKib, memoryKib] = (
      await inBox(
        "nproc; cat /root/file; df --output=size /root | tail -n 1; sed -n 's/MemTotal: *//p' /proc/meminfo",
      )
    ).split('\n');
    assert.deepEqual([cpus, file], ['2', 'kept']);
    assert.ok(Number(diskKib) > 2.8 * 2 ** 20, `the file system has ${diskKib} KiB`);
    assert.ok(Number.parseInt(memoryKib ?? '', 10) > 530 * 1024, `there are ${memoryKib} of memory`);
    const runs = await lab.run(['vm', 'set', '--vcpu', '1', 'box']);
    assert.equal(runs.code, 1);
    assert.match(runs.stderr, /Cannot change vcpu of "box": it must be stopped, but is running/);
  });

  test('vm_restart', async () => {
    const before = await bootId();
    await inBox('echo unsynced > /root/late');
    assert.equal(await lab.text(['vm', 'restart', 'box']), 'box: running\n');
    assert.notEqual(await bootId(), before);
    assert.equal(await inBox('cat /root/file /root/late'), 'kept\nunsynced\n');
  });

  test('vm_rename', async () => {
    assert.equal(await lab.text(['vm', 'rename', 'box', 'crate']), 'box: renamed to crate\n');
    assert.equal(await lab.text(['vm', 'exec', 'crate', '--', 'hostname']), 'crate\n');
    await lab.text(['vm', 'rename', 'crate', 'box']);
  });

  test('vm_kill', async () => {
    await inBox('echo unsynced > /root/later');
    const { runtime } = await show('box');
    const killed = await lab.run(['vm', 'kill', '--signal', 'KILL', 'box']);
    assert.deepEqual([killed.code, killed.stdout.toString(), killed.stderr], [0, 'box: stopped\n', '']);
    assert.equal((await show('box')).state, 'stopped');
    assert.ok(runtime && !hostProcesses().some(({ pid }) => pid === runtime.pid));
    await lab.text(['vm', 'start', 'box']);
    assert.equal(await inBox('cat /root/later'), 'unsynced\n');
  });

  test('vm_prune', async () => {
    for (const name of ['one', 'two'])
      await lab.text(['vm', 'create', '--no-start', '--name', name, ...SMALL]);
    const refused = await lab.run(['vm', 'prune']);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /there is no terminal/);
    assert.equal(await lab.text(['vm', 'prune', '-f']), 'one: deleted\ntwo: deleted\n');
    assert.deepEqual(await names(), ['box']);
    assert.equal((await show('box')).state, 'running');
  });

  test('invalid_spec', async () => {
    assert.equal((await lab.run(['vm', 'create', '--vcpu', '0'])).code, 2);
    assert.deepEqual(await names(), ['box']);
  });

  test('invalid_name', async () => {
    for (const name of ['MyBox', 'my box', 'box.vm', '-box']) {
      assert.equal((await lab.run(['vm', 'create', `--name=${name}`])).code, 2, name);
    }
    assert.deepEqual(await names(), ['box']);
  });

  test('a detached creation can be followed, and a cancelled one leaves nothing', async () => {
    const operation = (
      await lab.text(['vm', 'create', '-dq', '--no-start', '--name', 'left', ...SMALL])
    ).trim();
    assert.equal(await lab.text(['operations', 'follow', operation]), `${operation}: done\n`);
    assert.equal(await lab.text(['vm', 'delete', 'left']), 'left: deleted\n');
    // A cold boot takes longer than the commands that follow, also on a busy host.
    const other = (await lab.text(['vm', 'create', '-dq', '--cold', '--name', 'gone', ...SMALL])).trim();
    assert.match(
      await lab.text(['operations', 'list']),
      new RegExp(`^${other} +vm\\.create +gone +running `, 'm'),
    );
    assert.equal(await lab.text(['operations', 'cancel', other]), `${other}: cancelled\n`);
    assert.deepEqual(await names(), ['box']);
  });

  test('a guest that hangs is killed, with a warning that its data may be lost', async () => {
    const { runtime } = await show('box');
    assert.ok(runtime);
    process.kill(runtime.pid, 'SIGSTOP');
    const ports = await lab.run(['vm', 'ports', 'box']);
    assert.equal(ports.code, 1);
    assert.match(ports.stderr, new RegExp(`vm "box": its VMM, process ${runtime.pid}, does not answer`));
    // The daemon sends SIGCONT to a stopped VMM, so that it ends as soon as it is told to.
    const stopped = await soon(13_000, lab.run(['vm', 'stop', 'box']));
    assert.deepEqual([stopped.code, stopped.stdout.toString()], [1, 'box: killed\n'], stopped.stderr);
    assert.match(
      stopped.stderr,
      /vm "box" is killed without a sync: its agent does not answer; .* is lost\n/,
    );
    await lab.text(['vm', 'start', 'box']);
    await lab.run(['vm', 'exec', 'box', '--', 'systemctl', 'poweroff']);
    await lab.run(['vm', 'wait', '--until', 'stopped', 'box']);
    assert.equal((await show('box')).lastError, undefined, 'the guest itself powered off');
    await lab.text(['vm', 'start', 'box']);
    const again = (await show('box')).runtime;
    assert.ok(again);
    process.kill(again.pid, 'SIGKILL');
    await lab.run(['vm', 'wait', '--until', 'stopped', 'box']);
    assert.match(await lab.text(['vm', 'list', '--all']), /box +stopped \(VMM_DIED\)/);
    await lab.text(['vm', 'delete', 'box']);
    await assert.rejects(lab.text(['vm', 'show', 'box']), /ended with 1/);
    await lab.nothingLeft();
  });
});
