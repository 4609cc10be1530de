import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import { ApiClient } from './api-client.ts';
import type { ApiRequest } from './requests.ts';

const signal = neverAborts();
const REQUEST: ApiRequest = { method: 'PUT', path: '/vsock', body: { guest_cid: 3, uds_path: '/s' } };

interface ByteServer extends AsyncDisposable {
  api: ApiClient;
  /** what clients have sent */
  received: string[];
}

/** A server that answers each connection with `answer`, byte for byte, and keeps it open. */
async function serve(answer: string | ((socket: Socket) => void)): Promise<ByteServer> {
  const dir = await mkdtemp(join(tmpdir(), 'fca-'));
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}));
    socket.once('data', (data) => {
      received.push(data.toString());
      if (typeof answer === 'string') socket.write(answer);
      else answer(socket);
    });
  }).listen(join(dir, 's'));
  await once(server, 'listening');
  return {
    api: new ApiClient(join(dir, 's')),
    received,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await rm(dir, { recursive: true });
    },
  };
}

function http(status: string, body: string): string {
  return `HTTP/1.1 ${status}\r\nServer: Firecracker API\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

test('a request has its length and type, and no content is success', async () => {
  await using server = await serve(
    'HTTP/1.1 204 \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n\r\n',
  );
  await server.api.send(REQUEST, { signal });
  const [head, body] = (server.received[0] ?? '').split('\r\n\r\n');
  assert.match(head ?? '', /^PUT \/vsock HTTP\/1\.1\r\n/);
  assert.match(head ?? '', /\r\ncontent-type: application\/json\r\n/i);
  assert.match(head ?? '', /\r\ncontent-length: 31\r\n/i);
  assert.equal(body, '{"guest_cid":3,"uds_path":"/s"}');
});

test('what it says of itself is read', async () => {
  const info = { app_name: 'Firecracker', id: 'banger-1', state: 'Not started', vmm_version: '1.13.1' };
  await using server = await serve(http('200 OK', JSON.stringify(info)));
  assert.deepEqual(await server.api.info({ signal }), { id: 'banger-1', state: 'Not started' });
  assert.match(server.received[0] ?? '', /^GET \/ HTTP\/1\.1\r\n/);
});

for (const [what, answer, code, message] of [
  [
    'a fault',
    http('400 Bad Request', '{"fault_message":"Address in use\\u001b[2J"}'),
    'VMM_REFUSED',
    /^Firecracker refuses PUT \/vsock: Address in use \[2J$/,
  ],
  ['an error that is no JSON', http('500 Oops', 'broken'), 'VMM_REFUSED', /PUT \/vsock: broken$/],
  ['an error without a body', http('503 Busy', ''), 'VMM_REFUSED', /status 503$/],
  ['no HTTP', 'BANGER/2 0\n\n', 'VMM_PROTOCOL', /breaks its API/],
  ['an endless answer', http('200 OK', 'x'.repeat(70_000)), 'VMM_PROTOCOL', /endless/],
  ['an end', (socket: Socket) => void socket.destroy(), 'VMM_LOST', /does not serve its socket/],
] as const) {
  test(`${what} is ${code}`, async () => {
    await using server = await serve(answer);
    await assert.rejects(server.api.send(REQUEST, { signal }), { code, message });
  });
}

test('the body of a refusal is in the details', async () => {
  await using server = await serve(http('400 Bad Request', '{"fault_message":"no"}'));
  await assert.rejects(server.api.send(REQUEST, { signal }), {
    details: { request: 'PUT /vsock', status: 400, body: '{"fault_message":"no"}' },
  });
});

for (const body of ['', '[]', 'null', '{}', '{"id":1,"state":"Running"}', '{"id":"x"}']) {
  test(`${body || 'nothing'} is no description of an instance`, async () => {
    await using server = await serve(http('200 OK', body));
    await assert.rejects(server.api.info({ signal }), { code: 'VMM_PROTOCOL' });
  });
}

test('a missing socket is VMM_LOST, and an abort ends the wait for an answer', async () => {
  await assert.rejects(new ApiClient('/none/s').send(REQUEST, { signal }), { code: 'VMM_LOST' });
  await using server = await serve(() => {});
  const stop = AbortSignal.timeout(20);
  await assert.rejects(server.api.info({ signal: stop }), (error) => error === stop.reason);
});
