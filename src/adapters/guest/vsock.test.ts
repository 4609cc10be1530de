import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { listenAsHttp2Agent } from '../../../test/support/fakes/fake-agent.ts';
import { neverAborts, sleep } from '../../base/abort.ts';
import { connectUnix } from '../../base/unix-socket.ts';
import { createGuestConnector } from './connector.ts';
import { connectVsock } from './vsock.ts';

const signal = neverAborts();

/** A VMM that treats each connection as `serve` says, given what asks for it. */
async function listenAsVmm(
  serve: (socket: Socket, request: string) => Promise<void> | void,
): Promise<{ path: string } & AsyncDisposable> {
  const dir = await mkdtemp(join(tmpdir(), 'vsock-'));
  const path = join(dir, 's');
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('data', (request) => void serve(socket, request.toString()));
  }).listen(path);
  await once(server, 'listening');
  return {
    path,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await rm(dir, { recursive: true });
    },
  };
}

/** Asks a VMM that sends `parts` and then hangs up; returns the result and what followed the answer. */
async function ask(parts: readonly string[]): Promise<{ isConnected: boolean; rest: string }> {
  await using vmm = await listenAsVmm(async (socket) => {
    for (const part of parts) {
      socket.write(part);
      await sleep(0, { signal });
    }
    socket.end();
  });
  const socket = connectUnix(vmm.path);
  const isConnected = await connectVsock(socket, { port: 1024, signal });
  let rest = '';
  if (isConnected) for await (const chunk of socket) rest += (chunk as Buffer).toString();
  socket.destroy();
  return { isConnected, rest };
}

test('what follows the answer belongs to the guest, however the bytes arrive', async () => {
  const text = 'OK 1073741824\nBANGER/2 0\n';
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: text.length - 1 }), { maxLength: 4 });
  const property = fc.asyncProperty(cuts, async (at) => {
    const ends = [0, ...at.sort((a, b) => a - b), text.length];
    const parts = ends.slice(1).map((end, index) => text.slice(ends[index], end));
    assert.deepEqual(await ask(parts), { isConnected: true, rest: 'BANGER/2 0\n' });
  });
  await fc.assert(property, { numRuns: 40 });
});

for (const [what, parts] of [
  ['hangs up', []],
  ['hangs up in the middle of its answer', ['OK 10']],
  ['refuses', ['FAIL 1\n']],
  ['names no port', ['OK\n']],
  ['never ends its answer', ['OK 1234567890123456789']],
] as const) {
  test(`a VMM that ${what} makes no connection`, async () => {
    assert.deepEqual(await ask(parts), { isConnected: false, rest: '' });
  });
}

test('no answer at all ends with the signal', async () => {
  await using vmm = await listenAsVmm(() => {});
  const socket = connectUnix(vmm.path);
  const stop = AbortSignal.timeout(20);
  await assert.rejects(connectVsock(socket, { port: 1024, signal: stop }), (error) => error === stop.reason);
  socket.destroy();
});

test('an agent behind a vsock is reached once it listens', async () => {
  await using agent = await listenAsHttp2Agent((stream) => {
    stream.respond({ 'content-type': 'application/json' });
    stream.end('{}');
  });
  const requests: string[] = [];
  await using vmm = await listenAsVmm((socket, request) => {
    requests.push(request);
    if (requests.length < 3) return void socket.end();
    const guest = connect(agent.path, () => {
      socket.write('OK 1073741824\n');
      socket.pipe(guest).pipe(socket);
    });
    guest.on('error', () => {});
  });
  const endpoint = { kind: 'vsock', path: vmm.path, port: 1024 } as const;
  await using link = await createGuestConnector().connect(endpoint, { signal, helloDeadlineMs: 5_000 });
  assert.equal(link.generation, 2);
  assert.deepEqual(requests, Array(3).fill('CONNECT 1024\n'));
});

test('an agent that never listens behind a vsock is GUEST_UNREACHABLE', async () => {
  await using vmm = await listenAsVmm((socket) => void socket.end());
  const endpoint = { kind: 'vsock', path: vmm.path, port: 1024 } as const;
  const connecting = createGuestConnector().connect(endpoint, { signal, helloDeadlineMs: 150 });
  await assert.rejects(connecting, { code: 'GUEST_UNREACHABLE' });
});
