import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { askNetwork } from '../../../src/adapters/vmm/user-network/network-control.ts';
import { findNetworks, networkFiles } from '../../../src/adapters/vmm/user-network/network-files.ts';
import { UserNetwork } from '../../../src/adapters/vmm/user-network/user-network.ts';
import { isAlive, usageOf } from '../../../src/adapters/vmm/vmm-process.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import { createLogger } from '../../../src/base/log.ts';
import { listenUnix } from '../../../src/base/unix-socket.ts';
import type { NetworkSpec } from '../../../src/core/ports/vmm/network.ts';
import { BUILT_HOST_TOOLS } from '../../support/host-tools.ts';
import { NO_SECRETS } from '../../support/network/no-secrets.ts';
import { patient } from '../../support/patience.ts';
import { until } from '../../support/until.ts';

const limit = { signal: neverAborts() };
const log = createLogger(() => {}, { level: 'error' });

/** The VMM's side: a connection to the link socket, which the tests' VMM makes itself. */
class PlayedVmm {
  link: Socket | undefined;
  refuses = false;

  async connect(path: string): Promise<void> {
    this.disconnect();
    if (this.refuses) throw new AppError('VMM_REFUSED', 'Cannot connect: the VMM refuses');
    this.link = connect(path).on('error', () => {});
    await once(this.link, 'connect');
  }

  disconnect(): void {
    this.link?.destroy();
    this.link = undefined;
  }
}

describe("a VM's network process", () => {
  let home: string;
  let runtimeDir: string;
  let vmm: PlayedVmm;
  let network: UserNetwork;
  let count = 0;
  before(async () => {
    home = await mkdtemp(join(tmpdir(), 'banger-net-'));
  });
  beforeEach(async () => {
    count += 1;
    runtimeDir = join(home, String(count));
    await mkdir(runtimeDir, { mode: 0o700 });
    vmm = new PlayedVmm();
    network = open();
  });
  afterEach(async () => {
    vmm.disconnect();
    network.release();
    for (const { pid } of await findNetworks(runtimeDir)) process.kill(pid, 'SIGKILL');
  });
  after(async () => {
    await rm(home, { recursive: true, force: true });
  });

  const open = ({ hostTools = BUILT_HOST_TOOLS, isAdopted = false } = {}): UserNetwork =>
    new UserNetwork({
      ...{ vmId: 'test', runtimeDir, hostTools, env: {}, isAdopted, log, secretValues: NO_SECRETS },
      logPath: join(runtimeDir, 'network.log'),
      decisionsDir: join(runtimeDir, 'decisions'),
      connect: (path) => vmm.connect(path),
      disconnect: async () => vmm.disconnect(),
    });
  const run = (...exposedPorts: number[]): Promise<void> =>
    network.set({ mode: 'user', exposedPorts }, limit);
  const pid = (): number => network.process?.pid ?? 0;

  test('starts with the VM, has sockets that only the user can open, and leaves nothing', async () => {
    await run(80, 443);
    const state = await network.state(limit);
    assert.deepEqual([state?.isConnected, state?.exposedPorts, state?.pid], [true, [80, 443], pid()]);
    for (const path of Object.values(networkFiles(runtimeDir))) {
      assert.equal(statSync(path).mode & 0o677, 0o600);
    }
    const [found] = await findNetworks(runtimeDir);
    assert.ok(found);
    await network.end();
    await network.end();
    assert.equal(await isAlive(found), false);
    for (const path of Object.values(networkFiles(runtimeDir))) assert.ok(!existsSync(path), path);
  });

  test('takes little memory', async () => {
    await run(80);
    const [found] = await findNetworks(runtimeDir);
    assert.ok(found);
    const { memoryBytes } = await usageOf(found);
    assert.ok(memoryBytes > 2 ** 20 && memoryBytes < 20 * 2 ** 20, `${memoryBytes} bytes`);
  });

  test('gets other settings without losing its connections', async () => {
    await run(80);
    const [before, link] = [pid(), vmm.link];
    await run(81);
    assert.equal(pid(), before);
    assert.equal(vmm.link, link);
    assert.deepEqual((await network.state(limit))?.exposedPorts, [81]);
  });

  test('that is killed is back with its settings, and the VMM is connected to it again', async () => {
    await run(80, 81);
    const before = pid();
    const killedAt = performance.now();
    process.kill(before, 'SIGKILL');
    await until(() => pid() !== before && pid() !== 0 && vmm.link?.readyState === 'open');
    const state = await network.state(limit);
    assert.deepEqual(state?.exposedPorts, [80, 81]);
    assert.ok(performance.now() - killedAt < patient(3_000));
    process.kill(pid(), 'SIGKILL');
    const second = pid();
    await until(() => pid() !== second && pid() !== 0);
  });

  test('enforces the rules that it is given, and is never back without them', async () => {
    const allowing = (...rules: string[]): NetworkSpec => ({
      mode: 'user',
      exposedPorts: [],
      policy: { mode: 'enforce', rules: rules.map((rule) => ({ rule })) },
    });
    await network.set(allowing('192.0.2.1:443'), limit);
    const check = async (target: string): Promise<boolean | undefined> =>
      (await network.check(target, limit))?.allowed;
    assert.deepEqual([await check('192.0.2.1:443'), await check('192.0.2.2:443')], [true, false]);
    const before = pid();
    process.kill(before, 'SIGKILL');
    await until(() => pid() !== before && pid() !== 0 && vmm.link?.readyState === 'open');
    assert.deepEqual([await check('192.0.2.1:443'), await check('192.0.2.2:443')], [true, false]);
    const second = pid();
    await network.set(allowing('192.0.2.2:443'), limit);
    assert.equal(pid(), second);
    assert.deepEqual([await check('192.0.2.1:443'), await check('192.0.2.2:443')], [false, true]);
    process.kill(second, 'SIGKILL');
    await until(() => pid() !== second && pid() !== 0 && vmm.link?.readyState === 'open');
    assert.deepEqual([await check('192.0.2.1:443'), await check('192.0.2.2:443')], [false, true]);
    assert.deepEqual(
      (await network.state(limit))?.policy?.rules.map(({ rule }) => rule),
      ['192.0.2.2:443'],
    );
    await assert.rejects(network.set(allowing('*'), limit), { code: 'NETWORK_FAILED' });
    assert.equal(vmm.link, undefined);
  });

  test('learns only while it is asked to', async () => {
    await run();
    assert.equal(await network.learned(limit), undefined);
    await network.set({ mode: 'user', exposedPorts: [], policy: { mode: 'learn', rules: [] } }, limit);
    assert.deepEqual(await network.learned(limit), { rules: [] });
    assert.equal((await network.check('192.0.2.1:443', limit))?.rule, 'learn');
    await run();
    assert.equal(await network.learned(limit), undefined);
  });

  test('that was cut off is not started again', async () => {
    await run();
    const [found] = await findNetworks(runtimeDir);
    await network.set({ mode: 'none' }, limit);
    assert.ok(found && !(await isAlive(found)));
    assert.equal(network.process, undefined);
    assert.equal(vmm.link, undefined);
    assert.deepEqual(await findNetworks(runtimeDir), []);
  });

  test('outlives the daemon, and the next one takes it over as it is', async () => {
    await run(80);
    const before = pid();
    network.release();
    network = open({ isAdopted: true });
    await run(81);
    assert.equal(pid(), before);
    assert.deepEqual((await network.state(limit))?.exposedPorts, [81]);
    process.kill(before, 'SIGKILL');
    await until(() => pid() !== before && pid() !== 0);
  });

  test('of an earlier daemon ends when the VM is to have none', async () => {
    await run(80);
    network.release();
    network = open({ isAdopted: true });
    await network.set({ mode: 'none' }, limit);
    assert.deepEqual(await findNetworks(runtimeDir), []);
  });

  test('of an earlier daemon ends with its VMM, also when nothing else was asked of it', async () => {
    await run(80);
    network.release();
    network = open({ isAdopted: true });
    await network.end();
    assert.deepEqual(await findNetworks(runtimeDir), []);
  });

  test('that the VMM refuses leaves nothing', async () => {
    vmm.refuses = true;
    await assert.rejects(run(80), { code: 'VMM_REFUSED' });
    assert.deepEqual(await findNetworks(runtimeDir), []);
    assert.equal(network.process, undefined);
  });

  test('that cannot start is an error, and the guest is cut off', async () => {
    network = open({ hostTools: '/bin/false' });
    await assert.rejects(run(80), { code: 'NETWORK_FAILED' });
    network = open({ hostTools: '/nowhere/banger-host' });
    await assert.rejects(run(80), { code: 'NETWORK_FAILED' });
    assert.equal(vmm.link, undefined);
  });

  test('is disconnected while a guest is saved, and connected again when that fails', async () => {
    await run();
    const before = pid();
    await network.whileDisconnected(async () => assert.equal(vmm.link, undefined), limit);
    assert.equal(vmm.link, undefined);
    await vmm.connect(networkFiles(runtimeDir).linkSocket);
    const failing = async (): Promise<void> => {
      throw new AppError('VMM_SAVE_FAILED', 'Cannot save the guest: the test says so');
    };
    await assert.rejects(network.whileDisconnected(failing, limit), { code: 'VMM_SAVE_FAILED' });
    assert.equal((vmm.link as Socket | undefined)?.readyState, 'open');
    assert.equal(pid(), before);
  });
});

describe('whatever answers at the control socket', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'banger-net-'));
  });
  after(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  for (const [name, answer] of [
    ['no JSON', 'x\n'],
    ['another value', '{"isConnected":1}\n'],
    ['an impossible port', '{"isConnected":true,"exposedPorts":[0],"counters":{}}\n'],
    ['an endless line', 'x'.repeat(2 * 1024 * 1024)],
    ['an end', ''],
  ] as const) {
    test(`${name} is an error`, async () => {
      const path = join(dir, name.replaceAll(' ', '-'));
      const server: Server = createServer((socket) => socket.on('error', () => {}).end(answer));
      const listening = await listenUnix(server, path);
      try {
        await assert.rejects(askNetwork(path, { do: 'state' }, limit), { code: 'NETWORK_LOST' });
      } finally {
        server.close();
        listening[Symbol.dispose]();
      }
    });
  }
});
