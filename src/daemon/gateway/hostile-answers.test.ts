import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { buffer, text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { fuzzRuns } from '../../../test/support/fuzz-runs.ts';
import {
  type GatewayLab,
  openGatewayLab,
  portOf,
  upgradeHead,
} from '../../../test/support/network/gateway-lab.ts';

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

test('whatever a guest answers to requests and upgrades, the gateway serves the next one', async () => {
  const part = fc.constantFrom(
    'HTTP/1.1 200 OK\r\n',
    'HTTP/1.1 101 Switching Protocols\r\n',
    'HTTP/1.0 304 \r\n',
    'HTTP/1.1 100 Continue\r\n\r\n',
    'HTTP/1.1 000 \x7f\r\n',
    'HTTP/1.1 099 x\r\n',
    'HTTP/1.1 999 \xff\x0b\r\n',
    'HTTP/9.9 204 x\r\n',
    'connection: upgrade\r\n',
    'connection: close, trailer, x\r\n',
    'upgrade: websocket\r\n',
    'content-length: 3\r\n',
    'content-length: 99999999999999999999\r\n',
    'transfer-encoding: chunked\r\n',
    'transfer-encoding: gzip\r\n',
    'trailer: x\r\n',
    'set-cookie: a=\x80\xff\r\n',
    'x: \r\n y\r\n',
    ': \r\n',
    'x\0y: z\r\n',
    `big: ${'b'.repeat(20_000)}\r\n`,
    '\r\n',
    '3\r\nabc\r\n',
    '0\r\nx: y\r\n\r\n',
    'fffffffffffffffff\r\n',
    'abc',
  );
  const answers = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.array(part, { maxLength: 10 }).map((parts) => Buffer.from(parts.join(''), 'latin1')),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)) },
  );
  const requests = fc.constantFrom(
    `GET / HTTP/1.1\r\nhost: ${host()}\r\n\r\n`,
    `HEAD / HTTP/1.1\r\nhost: ${host()}\r\n\r\n`,
    `GET / HTTP/1.0\r\nhost: ${host()}\r\n\r\n`,
    `POST / HTTP/1.1\r\nhost: ${host()}\r\ncontent-length: 3\r\n\r\nabc`,
    upgradeHead().replace('web.localhost', host()),
  );
  await fc.assert(
    fc.asyncProperty(answers, requests, async (sent, request) => {
      answer = sent;
      const socket = await lab.raw(request);
      socket.end();
      await buffer(socket).catch(() => {});
      socket.destroy();
    }),
    { numRuns: fuzzRuns(1_000) },
  );
  answer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi');
  assert.match(await ask(), /hi$/);
  await lab.settled();
});
