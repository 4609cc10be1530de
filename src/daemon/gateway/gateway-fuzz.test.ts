import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import { afterEach, describe, test } from 'node:test';
import fc from 'fast-check';
import { fuzzRuns } from '../../../test/support/fuzz-runs.ts';
import {
  type GatewayInMemory,
  openGatewayInMemory,
} from '../../../test/support/network/gateway-in-memory.ts';
import { isLocalOrigin, readGatewayHost } from './gateway-name.ts';

// Without sockets of the kernel, so that a night is enough for a million cases. The tests beside this one
// have some cases with sockets.

let gateway: GatewayInMemory;
afterEach(() => gateway[Symbol.asyncDispose]());

/** A text in parts, cut at any places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

function inParts(bytes: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer[]> {
  return fc.tuple(bytes, fc.array(fc.nat(), { maxLength: 3 })).map(([all, places]) => cut(all, places));
}

/** Texts of some of these fragments, or any bytes. */
function made(fragments: readonly string[], prefixes: readonly string[] = ['']): fc.Arbitrary<Buffer> {
  const texts = fc
    .tuple(fc.constantFrom(...prefixes), fc.array(fc.constantFrom(...fragments), { maxLength: 12 }))
    .map(([prefix, parts]) => Buffer.from(prefix + parts.join(''), 'latin1'));
  const any = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ weight: 9, arbitrary: texts }, { weight: 1, arbitrary: any });
}

const HEAD = [
  ...[
    'GET / HTTP/1.1\r\n',
    'POST /echo HTTP/1.1\r\n',
    'HEAD /%00?a#b HTTP/1.0\r\n',
    'OPTIONS * HTTP/1.1\r\n',
  ],
  ...['GET http://evil.example/ HTTP/1.1\r\n', 'CONNECT a:1 HTTP/1.1\r\n', 'PRI * HTTP/2.0\r\n'],
  ...['host: web.localhost\r\n', 'Host: evil.example\r\n', 'host: web.localhost:7480@evil.example\r\n'],
  ...['origin: http://web.localhost\r\n', 'origin: http://evil.example\r\n', 'origin: null\r\n'],
  ...['connection: Upgrade\r\n', 'upgrade: websocket\r\n', 'upgrade: h2c\r\n', 'connection: close\r\n'],
  ...['content-length: 5\r\n', 'content-length: 5, 5\r\n', 'content-length: -1\r\n', 'content-length:\r\n'],
  ...['transfer-encoding: chunked\r\n', 'Transfer-Encoding : chunked\r\n', 'transfer-encoding: gzip\r\n'],
  ...['expect: 100-continue\r\n', 'trailer: x\r\n', 'te: trailers\r\n', 'connection: host, x\r\n'],
  ...['x: \r\n y\r\n', 'x: \0\r\n', 'x: \xff\x80\r\n', ': \r\n', 'x\n', '\r', `x: ${'y'.repeat(20_000)}\r\n`],
  ...[
    'x: y\r\n'.repeat(260),
    '\r\n',
    '\r\n\r\n',
    'hello',
    '5\r\nhello\r\n',
    '0\r\n\r\n',
    'fffffffff\r\n',
    '\0',
  ],
  // A second request in the body of the first.
  'GET /smuggled HTTP/1.1\r\nhost: web.localhost\r\n\r\n',
];

const GOOD_HEADS = [
  'GET / HTTP/1.1\r\nhost: web.localhost\r\n',
  'POST /echo HTTP/1.1\r\nhost: web.localhost\r\n',
  'GET / HTTP/1.1\r\nhost: web.localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n',
];

const GOOD_ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi';
const REQUEST = 'GET / HTTP/1.1\r\nhost: web.localhost\r\nconnection: close\r\n\r\n';

describe('the gateway, with random bytes', { concurrency: false }, () => {
  test('from a client: a guest gets at most one whole request of each connection, and only from its own pages', async () => {
    const asked: { request: IncomingMessage; stream: unknown }[] = [];
    const guest = createServer((request, response) => {
      asked.push({ request, stream: request.socket });
      request.resume();
      request.on('error', () => {});
      response.end('hi');
    });
    gateway = await openGatewayInMemory((stream) => guest.emit('connection', stream));
    assert.match(await gateway.ask([Buffer.from(REQUEST)]), /^HTTP\/1\.1 200 [\s\S]*hi/);
    await fc.assert(
      fc.asyncProperty(inParts(made(HEAD, ['', ...GOOD_HEADS])), async (parts) => {
        asked.length = 0;
        const answer = await gateway.ask(parts);
        assert.match(answer, /^(HTTP\/1\.1 \d{3} |$)/);
        for (const { request } of asked) {
          assert.equal(readGatewayHost(request.headers.host).kind, 'vm');
          assert.ok(isLocalOrigin(request.headers.origin));
        }
        assert.equal(new Set(asked.map(({ stream }) => stream)).size, asked.length, 'a smuggled request');
      }),
      { numRuns: fuzzRuns(1_500), examples: [[[Buffer.from(`${GOOD_HEADS[0]}trailer: x\r\n\r\n`)]]] },
    );
    assert.deepEqual([gateway.openCount, gateway.logged], [0, []]);
    assert.match(await gateway.ask([Buffer.from(REQUEST)]), /^HTTP\/1\.1 200 [\s\S]*hi/);
  });

  const ANSWER = [
    ...['HTTP/1.1 200 OK\r\n', 'HTTP/1.1 101 Switching Protocols\r\n', 'HTTP/1.0 304 \r\n'],
    ...['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n', 'HTTP/9.9 204 x\r\n'],
    ...['HTTP/1.1 000 \x7f\r\n', 'HTTP/1.1 099 x\r\n', 'HTTP/1.1 999 \xff\x0b\r\n', 'HTTP/1.1 302 x\r\n'],
    ...['connection: upgrade\r\n', 'connection: close, trailer, x\r\n', 'upgrade: websocket\r\n'],
    ...['content-length: 3\r\n', 'content-length: 99999999999999999999\r\n', 'content-length: 0\r\n'],
    ...['transfer-encoding: chunked\r\n', 'transfer-encoding: gzip\r\n', 'trailer: x\r\n'],
    ...['set-cookie: a=\x80\xff\r\n', 'x: \r\n y\r\n', ': \r\n', 'x\0y: z\r\n', 'location: //x\r\n'],
    ...['x: y\r\n'.repeat(260), `big: ${'b'.repeat(20_000)}\r\n`],
    ...['\r\n', '3\r\nabc\r\n', '0\r\nx: y\r\n\r\n', 'fffffffffffffffff\r\n', 'abc'],
  ];
  const requests = fc.constantFrom(
    REQUEST,
    REQUEST.replace('GET', 'HEAD'),
    REQUEST.replace('HTTP/1.1', 'HTTP/1.0'),
    'POST / HTTP/1.1\r\nhost: web.localhost\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc',
    `${GOOD_HEADS[2]}sec-websocket-key: x\r\n\r\n`,
  );

  test('from a guest: its client gets an answer or an end, and the next request is served', async () => {
    let answer: Buffer[] = [];
    gateway = await openGatewayInMemory((stream) => {
      stream.once('data', () => {
        for (const part of answer) stream.write(part);
        stream.end();
      });
    });
    answer = [Buffer.from(GOOD_ANSWER)];
    assert.match(await gateway.ask([Buffer.from(REQUEST)]), /hi$/);
    const answers = inParts(made(ANSWER, ['', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 101 Sure\r\n']));
    await fc.assert(
      fc.asyncProperty(answers, requests, async (sent, request) => {
        answer = sent;
        assert.match(await gateway.ask([Buffer.from(request)]), /^(HTTP\/1\.1 \d{3} |$)/);
      }),
      { numRuns: fuzzRuns(1_500) },
    );
    assert.deepEqual([gateway.openCount, gateway.logged], [0, []]);
    answer = [Buffer.from(GOOD_ANSWER)];
    assert.match(await gateway.ask([Buffer.from(REQUEST)]), /hi$/);
  });
});
