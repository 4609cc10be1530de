import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { listenAsHttp2Agent } from '../../../test/support/fakes/fake-agent.ts';
import { neverAborts } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import { createGuestConnector } from './connector.ts';
import { CHUNKS_TYPE } from './port-output.ts';

const signal = neverAborts();
const MUCH = Buffer.alloc(3_000_000, 'abc');
const CHUNKS = { 'content-type': CHUNKS_TYPE };
const END = Buffer.alloc(4);

type Handler = Parameters<typeof listenAsHttp2Agent>[0];

/** Connects to a port of an agent that serves each connection with `handle`. */
async function withPort(handle: Handler, use: (stream: Duplex) => Promise<void>): Promise<void> {
  await using agent = await listenAsHttp2Agent(handle);
  const endpoint = { kind: 'unix', path: agent.path } as const;
  await using link = await createGuestConnector().connect(endpoint, { signal, helloDeadlineMs: 5_000 });
  await use(await link.tcp(80, { signal }));
}

function chunk(content: string): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(content.length);
  return Buffer.concat([header, Buffer.from(content)]);
}

test('a port that has ended its output takes input until the stream ends, and loses none', async () => {
  const got = Promise.withResolvers<Buffer>();
  const handle: Handler = (stream, { ':path': path }) => {
    assert.equal(path, '/tcp?port=80&output=chunks');
    stream.respond(CHUNKS);
    stream.write(Buffer.concat([chunk('that '), chunk('is all'), END]));
    void buffer(stream).then((content) => {
      got.resolve(content);
      stream.end();
    });
  };
  await withPort(handle, async (stream) => {
    assert.equal((await buffer(stream)).toString(), 'that is all');
    assert.equal(stream.closed, false);
    stream.end(MUCH);
    assert.ok((await got.promise).equals(MUCH));
    if (!stream.closed) await once(stream, 'close');
    assert.equal(stream.errored, null);
  });
});

test('a stream whose input ends first closes after the output', async () => {
  const handle: Handler = (stream) => {
    stream.respond(CHUNKS);
    void buffer(stream).then((content) => stream.end(Buffer.concat([chunk(`${content.length}`), END])));
  };
  await withPort(handle, async (stream) => {
    stream.end(MUCH);
    assert.equal((await buffer(stream)).toString(), `${MUCH.length}`);
    if (!stream.closed) await once(stream, 'close');
    assert.equal(stream.errored, null);
  });
});

test('with an agent that does not know chunks, the stream closes after the output', async () => {
  const handle: Handler = (stream) => {
    stream.respond();
    stream.end('that is all');
  };
  await withPort(handle, async (stream) => {
    const closed = once(stream, 'close');
    assert.equal((await buffer(stream)).toString(), 'that is all');
    await closed;
    assert.equal(stream.errored, null);
  });
});

test('a port that breaks after its output is an error of the stream', async () => {
  const handle: Handler = (stream) => {
    stream.respond(CHUNKS);
    stream.write(END);
    stream.once('data', () => stream.close(2));
  };
  await withPort(handle, async (stream) => {
    const failed = once(stream, 'error');
    assert.equal((await buffer(stream)).length, 0);
    stream.write('x');
    assert.equal((await failed)[0].code, 'GUEST_PROTOCOL');
  });
});

for (const [what, answer] of [
  ['without its end', chunk('abc')],
  ['that is cut off', chunk('abc').subarray(0, 5)],
  ['with more after the end', Buffer.concat([END, chunk('abc')])],
] as const) {
  test(`an output in chunks ${what} is GUEST_PROTOCOL`, async () => {
    const handle: Handler = (stream) => {
      stream.respond(CHUNKS);
      stream.end(answer);
    };
    await withPort(handle, async (stream) => {
      stream.resume();
      // Not `once`, which rejects with the error.
      await new Promise<void>((done) => (stream.closed ? done() : stream.once('close', done)));
      assert.ok(isAppError(stream.errored, 'GUEST_PROTOCOL'), String(stream.errored));
    });
  });
}
