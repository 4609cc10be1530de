import assert from 'node:assert/strict';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { runCli, stdinOf } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { askPort, type EchoServer, freePort, startEcho } from '../../support/network/local-server.ts';

// The guest is an agent on this host: a port of the guest is one of this host's 127.0.0.1.
const signal = neverAborts();

let lab: DaemonLab;
let echo: EchoServer;

beforeEach(async () => {
  lab = await openDaemonLab();
  echo = await startEcho();
});

afterEach(async () => {
  echo.close();
  await lab[Symbol.asyncDispose]();
});

/** Makes a suspended VM, the only one. */
async function suspendedVm(name: string): Promise<void> {
  await resultOf(lab.client.createVm({ name }, { signal }));
  await resultOf(lab.client.suspendVm(name, { signal }));
}

const exitInMs = async (): Promise<number | undefined> =>
  (await lab.client.daemonStatus({ signal })).idleExitInMs;

const stateOf = async (name: string): Promise<string> => (await lab.client.showVm(name, { signal })).state;

test('with a suspended VM and nothing that listens for it, the daemon exits; ssh starts one that resumes it', async () => {
  {
    // One that exits soon might do so before the VM is made.
    await using _earlier = await lab.start({ canSave: true });
    await suspendedVm('web');
  }
  assert.equal(await (await lab.start({ canSave: true, idleExitMs: 50 })).ended, true);
  await lab.start({ canSave: true });
  const proxied = await runCli(['vm', 'proxy', 'web.vm', String(echo.port)], {
    env: lab.env,
    cwd: lab.dir,
    stdin: stdinOf('hello'),
  });
  assert.deepEqual(proxied, { status: 0, stdout: 'hello', stderr: '' });
  assert.equal(await stateOf('web'), 'running');
});

test('with an explicit port of a suspended VM, the daemon stays, and a connection resumes the VM', async () => {
  await lab.start({ canSave: true });
  assert.notEqual(await exitInMs(), undefined, 'without a VM it does exit');
  await suspendedVm('web');
  assert.notEqual(await exitInMs(), undefined, 'without a port it does exit');
  const hostPort = await freePort();
  await resultOf(lab.client.forwardPort('web', { hostPort, guestPort: echo.port }, { signal }));
  assert.equal(await exitInMs(), undefined);
  assert.equal(await askPort('127.0.0.1', hostPort, 'hi'), 'hi');
  assert.equal(await stateOf('web'), 'running');
});

test('with the web gateway and a suspended VM, the daemon stays, and a request resumes the VM', async () => {
  await lab.start({ canSave: true, servers: { gatewayPort: 0 } });
  const { gateway } = await lab.client.nameServers({ signal });
  assert.notEqual(await exitInMs(), undefined, 'without a VM it does exit');
  await suspendedVm('web');
  assert.equal(await exitInMs(), undefined);
  const host = `${echo.port}.web.localhost`;
  // The server there is no web server, which the gateway says once it has reached it.
  const got = await new Promise<string>((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: gateway.port, headers: { host }, agent: false });
    sent.on('response', (response) => void text(response).then(resolve, reject));
    sent.on('error', reject);
    sent.end();
  });
  assert.match(got, /its answer is not HTTP/);
  assert.equal(await stateOf('web'), 'running');
});
