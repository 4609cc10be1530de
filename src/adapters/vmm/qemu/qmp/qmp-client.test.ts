import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import fc from 'fast-check';
import { answer, playQemu, type QmpRequest } from '../../../../../test/support/fakes/played-qemu.ts';
import { isAppError } from '../../../../base/errors.ts';
import { connectQmp, openQmp } from './qmp-client.ts';
import type { QmpEvent } from './qmp-message.ts';

const NEVER = new AbortController().signal;

async function openPair(
  onRequest: (request: QmpRequest, qemu: Duplex) => void,
  onEvent?: (event: QmpEvent) => void,
) {
  const [ours, theirs] = duplexPair();
  playQemu(theirs, (request) => onRequest(request, theirs));
  const client = await openQmp(ours, { signal: NEVER, ...(onEvent ? { onEvent } : {}) });
  return { client, qemu: theirs };
}

test('execute() returns the result of QEMU', async () => {
  const { client } = await openPair((request, qemu) => answer(qemu, request, { you: request }));
  using _client = client;
  assert.deepEqual(await client.execute('query-status', { a: 1 }, { signal: NEVER }), {
    you: { execute: 'query-status', arguments: { a: 1 }, id: 2 },
  });
});

test("a refusal has the command and QEMU's error class", async () => {
  const { client } = await openPair((request, qemu) => {
    qemu.write(
      `${JSON.stringify({ id: request.id, error: { class: 'GenericError', desc: 'no such node' } })}\n`,
    );
  });
  using _client = client;
  await assert.rejects(client.execute('blockdev-del', {}, { signal: NEVER }), (error) => {
    assert.ok(isAppError(error, 'VMM_REFUSED'));
    assert.equal(error.message, 'Cannot run "blockdev-del" in the VMM: no such node');
    assert.deepEqual(error.details, { command: 'blockdev-del', class: 'GenericError' });
    return true;
  });
});

test('answers reach their calls in whatever order and pieces they arrive, with events in between', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(), fc.jsonValue()), { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
      async (calls, pieceSizes) => {
        const requests: QmpRequest[] = [];
        const events: QmpEvent[] = [];
        const { client, qemu } = await openPair(
          (request) => {
            requests.push(request);
            if (requests.length === calls.length) answerAll(qemu);
          },
          (event) => events.push(event),
        );
        using _client = client;
        const results = await Promise.all(
          calls.map((_, at) => client.execute('call', { at }, { signal: NEVER })),
        );
        assert.deepEqual(results, JSON.parse(JSON.stringify(calls.map(([, value]) => value))));
        assert.equal(events.length, calls.length);

        function answerAll(stream: Duplex): void {
          const order = [...requests].sort((a, b) => rankOf(a) - rankOf(b));
          const text = order
            .map(
              (r) => `{"event": "E", "data": {}}\n${JSON.stringify({ return: resultOf(r), id: r.id })}\r\n`,
            )
            .join('');
          const bytes = Buffer.from(text);
          for (let from = 0, i = 0; from < bytes.length; i += 1) {
            const size = pieceSizes[i % pieceSizes.length] ?? 1;
            stream.write(bytes.subarray(from, from + size));
            from += size;
          }
        }
        function rankOf(request: QmpRequest): number {
          return calls[Number(request.arguments['at'])]?.[0] ?? 0;
        }
        function resultOf(request: QmpRequest): unknown {
          return calls[Number(request.arguments['at'])]?.[1];
        }
      },
    ),
    { numRuns: 50 },
  );
});

test('a call fails with a protocol error, whatever a broken peer sends', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 8 }), async (chunks) => {
      const { client, qemu } = await openPair(() => {});
      using _client = client;
      const call = client.execute('x', {}, { signal: NEVER });
      for (const chunk of chunks) qemu.write(chunk);
      qemu.end();
      await assert.rejects(call, (error) => isAppError(error, 'VMM_PROTOCOL', 'VMM_LOST'));
      await client.closed;
    }),
    { numRuns: 100 },
  );
});

test('an answer to a request that is not open is a protocol error', async () => {
  const { client } = await openPair((_request, qemu) => answer(qemu, { id: 99 }, {}));
  await assert.rejects(client.execute('x', {}, { signal: NEVER }), { code: 'VMM_PROTOCOL' });
  await client.closed;
});

test('a line of more than a MiB is refused', async () => {
  const { client } = await openPair((_request, qemu) => {
    for (let i = 0; i < 20; i += 1) qemu.write('x'.repeat(64 * 1024));
  });
  await assert.rejects(client.execute('x', {}, { signal: NEVER }), { code: 'VMM_PROTOCOL' });
  await client.closed;
});

test('the end of the connection fails all calls in progress, and later ones', async () => {
  const { client, qemu } = await openPair((request) => {
    if (request.id === 3) qemu.destroy();
  });
  const calls = [client.execute('a', {}, { signal: NEVER }), client.execute('b', {}, { signal: NEVER })];
  for (const call of calls) await assert.rejects(call, { code: 'VMM_LOST' });
  await assert.rejects(client.execute('c', {}, { signal: NEVER }), { code: 'VMM_LOST' });
  await client.closed;
});

test('an aborted call does not affect the connection, and leaves no listener on the signal', async () => {
  const open: QmpRequest[] = [];
  const { client, qemu } = await openPair((request) => open.push(request));
  using _client = client;
  const stop = new AbortController();
  const call = client.execute('slow', {}, { signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(call, /enough/);
  assert.deepEqual(getEventListeners(stop.signal, 'abort'), []);
  await assert.rejects(client.execute('x', {}, { signal: stop.signal }), /enough/);
  const next = client.execute('next', {}, { signal: NEVER });
  await new Promise(setImmediate);
  for (const request of open) answer(qemu, request, request.execute);
  assert.equal(await next, 'next');
});

test('closing twice is fine', async () => {
  const { client } = await openPair(() => {});
  client[Symbol.dispose]();
  client[Symbol.dispose]();
  await client.closed;
});

let dir: string;
let server: Server;
let sockets: Socket[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'qmp-'));
  sockets = [];
  server = createServer((socket) => {
    sockets.push(socket);
    playQemu(socket, (request) => answer(socket, request, 'hello'));
  });
  await new Promise<void>((resolve) => server.listen(join(dir, 's'), resolve));
});

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true });
});

test('connectQmp() speaks over a Unix socket', async () => {
  using client = await connectQmp(join(dir, 's'), { signal: NEVER });
  assert.equal(await client.execute('x', {}, { signal: NEVER }), 'hello');
});

test('connectQmp() fails with the errno when nothing listens', async () => {
  await assert.rejects(connectQmp(join(dir, 'none'), { signal: NEVER }), { code: 'ENOENT' });
});

test('connectQmp() stops waiting for a silent peer when its signal aborts', async () => {
  server.removeAllListeners('connection');
  server.on('connection', (socket) => sockets.push(socket));
  const signal = AbortSignal.timeout(30);
  await assert.rejects(connectQmp(join(dir, 's'), { signal }), { name: 'TimeoutError' });
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
});
