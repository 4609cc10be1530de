import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import {
  connectAtOnce,
  connectInSequence,
  type EchoPlace,
  ownUse,
  stallUploads,
  useOf,
} from '../../support/network/connection-load.ts';
import { askPort, type EchoServer, startEcho } from '../../support/network/local-server.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
/** A thousand in four lanes. */
const IN_SEQUENCE = 1_000;
const AT_ONCE = 500;

/** Memory that may be in use after the connections and was not before, in `bytes`: 8 KiB for each. */
const MOST_GROWTH_BYTES = 8 * 2 ** 20;
/** The agent's, which returns memory to the system late. */
const MOST_AGENT_GROWTH_BYTES = 48 * 2 ** 20;

let lab: DaemonLab;
let echo: EchoServer;
let address: string;
let place: EchoPlace;

before(async () => {
  lab = await openDaemonLab();
  echo = await startEcho();
  lab.guests.ports = new Set([echo.port]);
  await lab.start({ hasAutoPorts: true });
  address = (await resultOf(lab.client.createVm({ name: 'web' }, { signal }))).guest_ip ?? 'none';
  place = { address, port: echo.port };
  await until(async () => (await askPort(address, echo.port, 'hi')) === 'hi');
});

after(async () => {
  echo.close();
  await lab[Symbol.asyncDispose]();
});

// The daemon is in this process.
const openFiles = (): number => readdirSync('/proc/self/fd').length;

/** The agent starts the commands of the guest. */
async function agentPid(): Promise<number> {
  const ran = await (await lab.client.exec('web', shell('echo $PPID'), { signal })).collect();
  return Number(ran.stdout.toString());
}

/** Does something, and expects nothing left of it in the agent and the daemon, which is this process. */
async function leavingNothing(work: () => Promise<void>): Promise<void> {
  const pid = await agentPid();
  // Pools, caches and compiled code are not a leak.
  await connectInSequence(place, 100);
  await until(() => echo.connections.size === 0);
  const before = { own: ownUse(), agent: useOf(pid) };
  await work();
  await until(() => echo.connections.size === 0 && openFiles() <= before.own.descriptorCount);
  await until(() => useOf(pid).descriptorCount <= before.agent.descriptorCount, {
    what: "the agent's files",
  });
  const after = { own: ownUse(), agent: useOf(pid) };
  const growth = after.own.memoryBytes - before.own.memoryBytes;
  assert.ok(growth < MOST_GROWTH_BYTES, `the daemon has grown by ${growth} bytes`);
  const agentGrowth = after.agent.memoryBytes - before.agent.memoryBytes;
  assert.ok(agentGrowth < MOST_AGENT_GROWTH_BYTES, `the agent has grown by ${agentGrowth} bytes`);
}

test('thousands of connections one after another, half of them cut off, leave nothing open and no memory', async () => {
  await leavingNothing(() => connectInSequence(place, IN_SEQUENCE));
});

test('of 500 connections at once, half cut in the middle, the others are served, and a command meanwhile', async () => {
  await leavingNothing(() =>
    connectAtOnce(place, AT_ONCE, async () => {
      const ran = await lab.client.exec('web', shell('echo there'), { signal });
      assert.deepEqual((await ran.collect()).exit, { code: 0 });
    }),
  );
});

test('four uploads whose reader is stuck do not delay a command', async () => {
  const stuck = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    stuck.add(socket.on('error', () => {}));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  lab.guests.ports?.add(port);
  await until(async () => {
    const socket = connect(port, address);
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    return isOpen;
  });
  const times: number[] = [];
  {
    using _uploads = await stallUploads({ address, port }, 4);
    for (let run = 0; run < 5; run += 1) {
      const begun = performance.now();
      const ran = await lab.client.exec('web', shell('true'), { signal });
      assert.deepEqual((await ran.collect()).exit, { code: 0 });
      times.push(performance.now() - begun);
    }
  }
  // Without the uploads it takes a few ms; a command that waited for one of them would never end.
  assert.ok(Math.min(...times) < 1_000, String(times));
  server.close();
  for (const socket of stuck) socket.destroy();
});

test('a guest that opens and closes a thousand ports without end is named once, and commands stay fast', async () => {
  const filesBefore = openFiles();
  const timeOf = async (): Promise<number> => {
    const begun = performance.now();
    const ran = await lab.client.exec('web', shell('true'), { signal });
    assert.deepEqual((await ran.collect()).exit, { code: 0 });
    return performance.now() - begun;
  };
  const median = async (): Promise<number> => {
    const times: number[] = [];
    for (let run = 0; run < 9; run += 1) times.push(await timeOf());
    return times.sort((a, b) => a - b)[4] ?? 0;
  };
  const usual = await median();
  let from = 0;
  // High ports, so that few are in use. The agent reports as often as this.
  const flood = setInterval(() => {
    from = (from + 1_000) % 20_000;
    lab.guests.ports = new Set(Array.from({ length: 1_000 }, (_, at) => 40_000 + from + at));
  }, 20);
  const warnings = (): unknown[] => lab.logged.filter(({ level }) => level === 'warn' || level === 'error');
  try {
    await until(() => warnings().length > 0);
    const flooded = await median();
    // The daemon and its guests share this process with the flood itself.
    assert.ok(flooded < Math.max(10 * usual, 500), `${flooded} ms in place of ${usual} ms`);
    assert.ok(openFiles() < filesBefore + 300, 'no more listeners than the limit');
  } finally {
    clearInterval(flood);
  }
  lab.guests.ports = new Set([echo.port]);
  await until(async () => (await askPort(address, echo.port, 'hi')) === 'hi');
  assert.deepEqual(
    lab.logged.filter(({ level }) => level === 'warn').map(({ vm }) => vm),
    ['web'],
  );
  await until(() => openFiles() <= filesBefore);
});
