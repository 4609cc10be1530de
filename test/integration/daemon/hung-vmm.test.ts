import assert from 'node:assert/strict';
import { kill } from 'node:process';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { soon } from '../../support/soon.ts';

const signal = neverAborts();

/** `ms`: the daemon finds out after 4 s that a VMM hangs. */
const SOON_MS = 9_000;

let lab: DaemonLab;
let pid = 0;

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
  await resultOf(lab.client.createVm({ name: 'well', cold: true }, { signal }));
  const { runtime } = await resultOf(lab.client.createVm({ name: 'hangs', cold: true }, { signal }));
  pid = runtime?.pid ?? 0;
  // There is a link to its agent already.
  await lab.client.vmPorts('hangs', { signal });
  kill(pid, 'SIGSTOP');
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

async function banger(...argv: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  return await soon(SOON_MS, runCli(argv, { env: lab.env, stdin: stdinOf(), cwd: lab.dir }));
}

test('vm ports names a VM whose VMM hangs, and lists the others', async () => {
  const both = await banger('vm', 'ports', '--json', 'hangs', 'well');
  assert.equal(both.status, 1);
  const listed = JSON.parse(both.stdout) as { vm: { name: string } }[];
  assert.deepEqual(
    listed.map(({ vm }) => vm.name),
    ['well'],
  );
  assert.match(
    both.stderr,
    new RegExp(`Cannot list the ports of vm "hangs": its VMM, process ${pid}, does not answer`),
  );
  assert.match(both.stderr, /banger vm kill hangs/);
});

test('doctor names a VM whose VMM hangs', async () => {
  const found = (await lab.client.doctor({ signal })).find(({ name }) => name === 'vms');
  assert.equal(found?.status, 'fail');
  assert.equal(found?.message, `the VMM of "hangs", process ${pid}, does not answer`);
  assert.equal(found?.fix, 'find out what holds it, or end it: banger vm kill hangs');
});

for (const argv of [
  ['vm', 'list'],
  ['vm', 'show', 'hangs'],
  ['vm', 'stats', 'hangs'],
  ['vm', 'logs', 'hangs'],
  ['daemon', 'status'],
]) {
  test(`banger ${argv.join(' ')} does not wait for a VMM that hangs`, async () => {
    const { status, stderr } = await banger(...argv);
    assert.equal(status, 0, stderr);
  });
}

test('a VM whose VMM hangs is finally stopped, with a warning that its data is lost', async () => {
  const { status, stdout, stderr } = await banger('vm', 'stop', 'hangs');
  assert.deepEqual([status, stdout], [1, 'hangs: killed\n']);
  assert.match(stderr, /vm "hangs" is killed without a sync: its agent does not answer/);
});
