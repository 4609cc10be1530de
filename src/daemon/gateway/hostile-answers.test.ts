import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import { type GatewayLab, openGatewayLab, portOf } from '../../../test/support/network/gateway-lab.ts';

let lab: GatewayLab;
let server: Server;
/** what the server in the guest sends to each client that asks */
let answer = Buffer.alloc(0);

before(async () => {
  lab = await openGatewayLab();
  server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
after(async () => {
  server.close();
  await lab[Symbol.asyncDispose]();
});
beforeEach(() => lab.reset());

const host = (): string => `${portOf(server)}.web.localhost`;

/** Asks the guest's server through the gateway, and returns the whole answer; empty when it is cut off. */
async function ask(method = 'GET'): Promise<string> {
  const socket = await lab.raw(`${method} / HTTP/1.1\r\nhost: ${host()}\r\nconnection: close\r\n\r\n`);
  return await text(socket).catch(() => '');
}

for (const [what, sent, expected] of [
  ['control characters in its status line', 'HTTP/1.1 200 O\x01K\r\ncontent-length: 2\r\n\r\nhi', / 200 OK/],
  ['a status below 100', 'HTTP/1.1 007 Bond\r\ncontent-length: 2\r\n\r\nhi', / 502 /],
  [
    'trailers that it only announces',
    'HTTP/1.1 200 OK\r\ntrailer: x\r\ncontent-length: 2\r\n\r\nhi',
    / 200 OK/,
  ],
  [
    'a switch of protocols unasked',
    'HTTP/1.1 101 Sure\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
    / 502 /,
  ],
  ['what is not HTTP', 'SSH-2.0-OpenSSH\r\n', / 502 /],
  ['nothing', '', / 502 /],
  ['too few bytes', 'HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nhi', /^$|hi$/],
] as const) {
  test(`a guest that answers ${what} harms nobody but its own client`, async () => {
    answer = Buffer.from(sent, 'latin1');
    assert.match(await ask(), expected);
    answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi');
    assert.match(await ask(), /hi$/);
    await lab.settled();
  });
}
