import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { listenAsAgent } from '../../../test/support/fakes/fake-agent.ts';
import { PacedSocket } from './paced-socket.ts';

/** Connects a paced socket to `serve` at the other end. */
async function withSocket<T>(
  serve: (socket: net.Socket) => void,
  use: (paced: PacedSocket, socket: net.Socket) => Promise<T>,
): Promise<T> {
  await using agent = await listenAsAgent(serve);
  const socket = net.connect(agent.path);
  await once(socket, 'connect');
  const paced = new PacedSocket(socket);
  paced.on('error', () => {});
  try {
    return await use(paced, socket);
  } finally {
    paced.destroy();
  }
}

function frame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  return Buffer.concat([head, payload]);
}

test('passes everything on in order, then the end', async () => {
  const bytes = fc.uint8Array({ maxLength: 3000 }).map((each) => Buffer.from(each));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom(0, 1, 6), bytes)), async (all) => {
      const sent = all.map(([type, payload]) => frame(type, payload));
      const serve = (socket: net.Socket): void => {
        for (const each of sent) socket.write(each);
        socket.end();
      };
      await withSocket(serve, async (paced) => assert.deepEqual(await buffer(paced), Buffer.concat(sent)));
    }),
    { numRuns: 50 },
  );
});

test('passes on what the other end wrote before it closed, even after its share is used up', async () => {
  const sent = Buffer.concat(Array(1_500).fill(frame(0, Buffer.from('x'))));
  await withSocket(
    (socket) => socket.end(sent),
    async (paced, socket) => {
      if (!socket.closed) await once(socket, 'close').catch(() => {});
      assert.equal((await buffer(paced)).length, sent.length);
    },
  );
});

test('limits small frames to their share, and passes on large ones at once', async () => {
  const small = frame(0, Buffer.from('x'));
  const many = Buffer.concat(Array(1_000).fill(small));
  const startedAt = performance.now();
  await withSocket(
    (socket) => {
      const more = (): void => {
        while (!socket.destroyed && socket.write(many));
      };
      socket.on('drain', more);
      more();
    },
    async (paced) => {
      let length = 0;
      for await (const chunk of paced) {
        length += chunk.length;
        if (performance.now() - startedAt > 300) break;
      }
      const mostFrames = (10_000 + 100 * (performance.now() - startedAt)) / 10 + 200;
      assert.ok(length / small.length <= mostFrames, `${length / small.length} of ${mostFrames} frames`);
    },
  );
  const large = frame(0, Buffer.alloc(16_384));
  const sent = Buffer.concat(Array(1_000).fill(large));
  await withSocket(
    (socket) => socket.end(sent),
    async (paced) => assert.equal((await buffer(paced)).length, sent.length),
  );
});

test('written bytes arrive, and ending it closes the other end', async () => {
  const { promise: received, resolve } = Promise.withResolvers<Buffer>();
  const sent = Array.from({ length: 200 }, (_, n) => Buffer.alloc(1000, n));
  await withSocket(
    (socket) => buffer(socket).then(resolve, () => {}),
    async (paced) => {
      for (const each of sent) paced.write(each);
      paced.end();
      assert.deepEqual(await received, Buffer.concat(sent));
    },
  );
});

test('destroying it closes the socket, and it emits the errors of the socket', async () => {
  await withSocket(
    () => {},
    async (paced, socket) => {
      paced.destroy();
      if (!socket.closed) await once(socket, 'close');
    },
  );
  await withSocket(
    () => {},
    async (paced, socket) => {
      const failed = once(paced, 'error');
      const error = new Error('broken');
      socket.destroy(error);
      assert.deepEqual(await failed, [error]);
      assert.ok(paced.destroyed);
    },
  );
});
