import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type CliResult, runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, type LabDaemon, openDaemonLab } from '../../support/daemon-lab.ts';
import { type EchoServer, startEcho } from '../../support/network/local-server.ts';
import { until } from '../../support/until.ts';

// The guest is an agent on this host: a port of the guest is one of this host's 127.0.0.1.
const signal = neverAborts();

let lab: DaemonLab;
let daemon: LabDaemon;
let echo: EchoServer;

before(async () => {
  lab = await openDaemonLab();
  echo = await startEcho();
  daemon = await lab.start({ canSave: true });
  await resultOf(lab.client.createVm({ name: 'web' }, { signal }));
});

beforeEach(async () => {
  await resultOf(lab.client.startVm('web', { signal }));
});

after(async () => {
  echo.close();
  await lab[Symbol.asyncDispose]();
});

/** What ssh would run for `ssh -p PORT HOST`, with a greeting as its input. */
function proxy(host: string, port: number = echo.port): Promise<CliResult> {
  return runCli(['vm', 'proxy', host, String(port)], { env: lab.env, cwd: lab.dir, stdin: stdinOf('hello') });
}

const knownHosts = (): string => readFileSync(lab.settings.paths.knownHostsFile, 'utf8');

test('vm proxy reaches a VM by its name with .vm, however ssh spells it, and by its id', async () => {
  const { id } = await lab.client.showVm('web', { signal });
  for (const host of ['web.vm', 'WEB.vm', 'web.vm.', 'web', `${id}.vm`]) {
    assert.deepEqual(await proxy(host), { status: 0, stdout: 'hello', stderr: '' }, host);
  }
});

test('vm proxy resumes a suspended VM', async () => {
  await resultOf(lab.client.suspendVm('web', { signal }));
  assert.deepEqual(await proxy('web.vm'), { status: 0, stdout: 'hello', stderr: '' });
  assert.equal((await lab.client.showVm('web', { signal })).state, 'running');
});

test('the access for vm ssh resumes a suspended VM', async () => {
  await resultOf(lab.client.suspendVm('web', { signal }));
  // The lab's guest has no sshd, which is found out by asking it.
  await assert.rejects(lab.client.sshAccess('web', { signal }), { code: 'GUEST_NO_SSH' });
  assert.equal((await lab.client.showVm('web', { signal })).state, 'running');
});

test('a stopped VM, an unknown one and one without sshd are errors with the next step', async () => {
  const refused = async (host: string, port?: number): Promise<string> => {
    const { status, stdout, stderr } = await proxy(host, port);
    assert.notEqual(status, 0, host);
    assert.equal(stdout, '', host);
    return stderr;
  };
  assert.match(await refused('nobody.vm'), /Cannot find a vm "nobody"/);
  assert.match(await refused('a.b.vm'), /"a\.b" as a VM/);
  echo.close();
  const closed = echo.port;
  echo = await startEcho();
  assert.match(await refused('web.vm', closed), /nothing listens on it/);
  await resultOf(lab.client.stopVm('web', { signal }));
  assert.match(await refused('web.vm'), /"web" is not running \(state: stopped\)\n.*banger vm start web/);
});

test('the file of host keys follows the VMs that exist, at once and after a restart of the daemon', async () => {
  const { id } = await lab.client.showVm('web', { signal });
  const names = (): string[] => knownHosts().match(/^[^,]+/gm) ?? [];
  assert.deepEqual(names(), ['web.vm']);
  assert.match(
    knownHosts(),
    new RegExp(`^web\\.vm,\\[web\\.vm\\]:\\*,${id}\\.vm,\\S+,banger-${id} ssh-ed25519 \\S+`),
  );
  const key = / ssh-ed25519 \S+/.exec(knownHosts())?.[0];
  assert.equal(statSync(lab.settings.paths.knownHostsFile).mode & 0o777, 0o600);

  await resultOf(lab.client.renameVm('web', 'api', { signal }));
  assert.equal((await proxy('api.vm')).stdout, 'hello');
  assert.deepEqual(names(), ['api.vm'], 'before ssh reads it');
  assert.equal(/ ssh-ed25519 \S+/.exec(knownHosts())?.[0], key, 'the key stays');
  assert.match((await proxy('web.vm')).stderr, /Cannot find a vm "web"/);

  await resultOf(lab.client.forkVm('api', { names: ['copy'] }, { signal }));
  assert.equal((await proxy('copy.vm')).stdout, 'hello');
  assert.deepEqual(names().toSorted(), ['api.vm', 'copy.vm']);
  assert.equal(new Set(knownHosts().match(/ ssh-ed25519 \S+/g)).size, 2, 'a fork has its own key');

  await resultOf(lab.client.deleteVm('copy', { signal }));
  await until(() => names().join() === 'api.vm', { what: 'the deleted VM to be forgotten' });
  await daemon[Symbol.asyncDispose]();
  lab.withRecords((records) => {
    const [record] = records.list();
    assert.ok(record);
    records.update({ ...record, name: 'web' });
  });
  daemon = await lab.start({ canSave: true });
  assert.deepEqual(names(), ['web.vm']);
});
