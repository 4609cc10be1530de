import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { type DaemonLab, openDaemonLab, shell } from '../../support/daemon-lab.ts';
import { askPort, type EchoServer, startEcho } from '../../support/local-server.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
/** Four at a time, so that it does not take minutes; each waits for the one before. */
const SEQUENCES = 4;
const EACH = 2_500;
const AT_ONCE = 500;

let lab: DaemonLab;
let echo: EchoServer;
let address: string;

before(async () => {
  lab = await openDaemonLab();
  echo = await startEcho();
  lab.guests.ports = new Set([echo.port]);
  await lab.start({ hasAutoPorts: true });
  address = (await resultOf(lab.client.createVm({ name: 'web' }, { signal }))).guest_ip ?? 'none';
  await until(async () => (await askPort(address, echo.port, 'hi')) === 'hi');
});

after(async () => {
  echo.close();
  await lab[Symbol.asyncDispose]();
});

// The daemon is in this process.
const openFiles = (): number => readdirSync('/proc/self/fd').length;

/** Sends a word, reads it, and then breaks the connection when `isCut`. */
async function visit({ isCut }: { isCut: boolean }): Promise<void> {
  const socket = connect(echo.port, address);
  socket.on('error', () => {});
  socket.write('word');
  await once(socket, 'data');
  if (isCut) socket.resetAndDestroy();
  else socket.end();
  if (!socket.closed) await once(socket, 'close');
}

test('10,000 connections one after another, half of them cut off, leave nothing open', async () => {
  const before = openFiles();
  const sequence = async (): Promise<void> => {
    for (let at = 0; at < EACH; at += 1) await visit({ isCut: at % 2 === 0 });
  };
  await Promise.all(Array.from({ length: SEQUENCES }, sequence));
  await until(() => echo.connections.size === 0 && openFiles() <= before);
});

test('of 500 connections at once, half cut in the middle, the others are served, and a command meanwhile', async () => {
  const before = openFiles();
  const sockets = Array.from({ length: AT_ONCE }, () => connect(echo.port, address));
  for (const socket of sockets) socket.on('error', () => {}).write('word');
  const [cut, kept] = [sockets.slice(0, AT_ONCE / 2), sockets.slice(AT_ONCE / 2)];
  await Promise.all(cut.slice(0, 10).map((socket) => once(socket, 'data')));
  const ran = await lab.client.exec('web', shell('echo there'), { signal });
  for (const socket of cut) socket.resetAndDestroy();
  assert.deepEqual((await ran.collect()).exit, { code: 0 });
  const words = await Promise.all(kept.map(async (socket) => String((await once(socket, 'data'))[0])));
  assert.deepEqual([...new Set(words)], ['word']);
  for (const socket of kept) socket.end();
  await until(() => echo.connections.size === 0 && openFiles() <= before);
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
  const uploads = Array.from({ length: 4 }, () => connect(port, address).on('error', () => {}));
  const chunk = Buffer.alloc(2 ** 20);
  for (const upload of uploads) while (upload.writableLength < 16 * chunk.length) upload.write(chunk);
  // All that fits on the way has gone.
  let sent = -1;
  await until(
    () => {
      const now = uploads.reduce(
        (sum, { bytesWritten, writableLength }) => sum + bytesWritten - writableLength,
        0,
      );
      const isStuck = now === sent;
      sent = now;
      return isStuck;
    },
    { everyMs: 500 },
  );
  const times: number[] = [];
  for (let run = 0; run < 5; run += 1) {
    const begun = performance.now();
    const ran = await lab.client.exec('web', shell('true'), { signal });
    assert.deepEqual((await ran.collect()).exit, { code: 0 });
    times.push(performance.now() - begun);
  }
  // Without the uploads it takes a few ms; a command that waited for one of them would never end.
  assert.ok(Math.min(...times) < 1_000, String(times));
  for (const upload of uploads) upload.destroy();
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
