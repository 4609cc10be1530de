import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import { decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { fuzzRuns } from '../../../test/support/fuzz-runs.ts';
import { nullLog } from '../../../test/support/null-log.ts';
import { until } from '../../../test/support/until.ts';
import { type DnsServer, startDnsServer } from './dns-server.ts';

const names = new Map<string, string>();
const ADDRESS = '127.0.0.1';
let server: DnsServer;

before(async () => {
  const zone = { addressOf: (label: string) => names.get(label) };
  server = await startDnsServer(zone, { address: ADDRESS, port: 0 }, { log: nullLog });
});
after(() => server[Symbol.asyncDispose]());

function resolver(): Resolver {
  const made = new Resolver({ timeout: 2_000, tries: 2 });
  made.setServers([`${ADDRESS}:${server.place.port}`]);
  return made;
}

const query = (name: string, id = 1): Buffer =>
  encode({ type: 'query', id, flags: 0, questions: [{ name, type: 'A', class: 'IN' }] });

const framed = (message: Buffer): Buffer => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
};

async function tcp(): Promise<Socket> {
  const socket = connect(server.place.port, ADDRESS);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

test('a resolver finds a name, and a rename or deletion at once', async () => {
  names.set('web', '127.77.0.1');
  assert.deepEqual(await resolver().resolve4('web.vm'), ['127.77.0.1']);
  names.delete('web');
  names.set('api', '127.77.0.1');
  await assert.rejects(resolver().resolve4('web.vm'), { code: 'ENOTFOUND' });
  assert.deepEqual(await resolver().resolve4('api.vm'), ['127.77.0.1']);
  await assert.rejects(resolver().resolve6('api.vm'), { code: 'ENODATA' });
  await assert.rejects(resolver().resolve4('example.com'), { code: 'EREFUSED' });
  const soa = await resolver().resolveSoa('vm');
  assert.equal(soa.minttl, 0);
});

test('a TCP client gets one answer for each query, in pieces and together', async () => {
  names.set('web', '127.77.0.1');
  const socket = await tcp();
  const sent = Buffer.concat([framed(query('web.vm', 7)), framed(query('no.vm', 8))]);
  socket.setNoDelay(true);
  for (const byte of sent) socket.write(Buffer.from([byte]));
  let got = Buffer.alloc(0);
  const rcodes: [number | undefined, string][] = [];
  for await (const chunk of socket) {
    got = Buffer.concat([got, chunk as Buffer]);
    while (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) {
      const packet = decode(got.subarray(2, 2 + got.readUInt16BE(0)));
      rcodes.push([packet.id, (packet as unknown as { rcode: string }).rcode]);
      got = got.subarray(2 + got.readUInt16BE(0));
    }
    if (rcodes.length === 2) socket.end();
  }
  assert.deepEqual(rcodes, [
    [7, 'NOERROR'],
    [8, 'NXDOMAIN'],
  ]);
});

for (const [what, bytes] of [
  ['garbage', framed(Buffer.alloc(40, 0xff))],
  ['a query of 65,535 bytes', Buffer.concat([Buffer.from([0xff, 0xff]), Buffer.alloc(1_100)])],
  ['an empty message', Buffer.from([0, 0])],
] as const) {
  test(`a TCP connection with ${what} is closed without an answer`, async () => {
    const socket = await tcp();
    let got = 0;
    socket.on('data', (chunk: Buffer) => {
      got += chunk.length;
    });
    socket.write(bytes);
    await once(socket, 'close');
    assert.equal(got, 0);
  });
}

test('a client that begins with TLS is not kept waiting until its time is up', async () => {
  const socket = await tcp();
  const begun = performance.now();
  socket.write(Buffer.from([0x16, 0x03, 0x01, 0x00, 0xc8, 0x01]));
  await once(socket.resume(), 'close');
  assert.ok(performance.now() - begun < 4_000);
});

test('whatever arrives over TCP and UDP, the server answers the next query', async () => {
  names.set('web', '127.77.0.1');
  const udp = createSocket('udp4').on('error', () => {});
  const whole = framed(query('web.vm', 1));
  const change = fc.record({ at: fc.nat(whole.length - 1), to: fc.nat(255) });
  const damaged = fc.array(change, { maxLength: 4 }).map((changes) => {
    const bytes = Buffer.from(whole);
    for (const { at, to } of changes) bytes[at] = to;
    return bytes;
  });
  const any = fc.oneof(
    fc.array(damaged, { minLength: 1, maxLength: 3 }).map((all) => Buffer.concat(all)),
    fc.uint8Array({ minLength: 1, maxLength: 1_200 }).map((bytes) => Buffer.from(bytes)),
  );
  await fc.assert(
    fc.asyncProperty(any, fc.nat(), async (bytes, cut) => {
      udp.send(bytes.subarray(2), server.place.port, ADDRESS);
      const socket = await tcp();
      socket.resume();
      socket.write(bytes.subarray(0, cut % bytes.length));
      socket.end(bytes.subarray(cut % bytes.length));
      await new Promise<void>((done) => (socket.closed ? done() : socket.once('close', () => done())));
    }),
    { numRuns: fuzzRuns(500) },
  );
  udp.close();
  assert.deepEqual(await resolver().resolve4('web.vm'), ['127.77.0.1']);
});

test('connections beyond 32 are closed at once, and the others still work', async () => {
  const open = await Promise.all(Array.from({ length: 32 }, () => tcp()));
  const more = await tcp();
  await once(more, 'close');
  names.set('web', '127.77.0.1');
  const [first] = open;
  first?.write(framed(query('web.vm', 9)));
  assert.ok(first && (await once(first, 'data')));
  for (const socket of open) socket.destroy();
  await until(async () => {
    const socket = await tcp();
    socket.write(framed(query('web.vm', 3)));
    const isAnswered = await Promise.race([once(socket, 'data'), once(socket, 'close')]);
    socket.destroy();
    return (isAnswered[0] as Buffer | boolean) instanceof Buffer;
  });
});

test('garbage over UDP gets no answer, and the server still answers', async () => {
  names.set('web', '127.77.0.1');
  const socket = createSocket('udp4');
  const got: Buffer[] = [];
  socket.on('message', (message) => got.push(message));
  const { port } = server.place;
  socket.send(Buffer.alloc(0), port, ADDRESS);
  socket.send(Buffer.alloc(60_000, 1), port, ADDRESS);
  const answered = encode({ type: 'response', id: 5, flags: 0, questions: [{ name: 'web.vm', type: 'A' }] });
  socket.send(answered, port, ADDRESS);
  socket.send(query('web.vm', 6), port, ADDRESS);
  await until(() => got.length > 0);
  socket.close();
  assert.deepEqual(
    got.map((message) => message.readUInt16BE(0)),
    [6],
  );
});

test('a port that another program has is an error, and nothing stays open', async () => {
  const other = createServer();
  await new Promise<void>((done) => other.listen(0, ADDRESS, done));
  const { port } = other.address() as { port: number };
  const zone = { addressOf: () => undefined };
  await assert.rejects(startDnsServer(zone, { address: ADDRESS, port }, { log: nullLog }), {
    code: 'EADDRINUSE',
  });
  await new Promise<void>((done) => other.close(() => done()));
  const udp = createSocket('udp4');
  await new Promise<void>((done) => udp.bind({ address: ADDRESS, port, exclusive: true }, done));
  await assert.rejects(startDnsServer(zone, { address: ADDRESS, port }, { log: nullLog }), {
    code: 'EADDRINUSE',
  });
  udp.close();
  const again = await startDnsServer(zone, { address: ADDRESS, port }, { log: nullLog });
  await again[Symbol.asyncDispose]();
});
