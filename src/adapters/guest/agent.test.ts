import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import http2 from 'node:http2';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import {
  type FakeAgent,
  listenAsAgent,
  listenAsHttp2Agent,
  onHello,
} from '../../../test/support/fakes/fake-agent.ts';
import { until } from '../../../test/support/until.ts';
import { neverAborts } from '../../base/abort.ts';
import type { GuestAgent } from '../../core/ports/guest.ts';
import { encodeFrame, encodeJsonFrame, FRAME } from '../../protocol/exec-frames.ts';
import { createGuestConnector } from './connector.ts';

const signal = neverAborts();

async function connect({ path }: FakeAgent): Promise<GuestAgent> {
  return await createGuestConnector().connect({ kind: 'unix', path }, { signal, helloDeadlineMs: 5000 });
}

type Handler = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void;

/** Serves `handle` to `use`. */
async function withAgent(handle: Handler, use: (link: GuestAgent) => Promise<void>): Promise<void> {
  await using agent = await listenAsHttp2Agent(handle);
  await using link = await connect(agent);
  await use(link);
}

const answer =
  (body: string, status = 200): Handler =>
  (stream) => {
    stream.respond({ ':status': status });
    stream.end(body);
  };

const HEALTH = { generation: 1, version: 'v', bootId: 'b', uptimeMs: 1, init: 'systemd', ready: true };

test('health() returns what the agent answers, without control characters', async () => {
  await withAgent(answer(JSON.stringify({ ...HEALTH, version: 'a\u001bb', more: 1 })), async (link) => {
    assert.deepEqual(await link.health({ signal }), { ...HEALTH, version: 'a b' });
  });
});

test('an answer that the protocol does not allow is GUEST_PROTOCOL', async () => {
  for (const body of [
    '',
    '{',
    'null',
    '{}',
    JSON.stringify({ ...HEALTH, ready: 'yes' }),
    'x'.repeat(5 * 1024 * 1024),
  ]) {
    await withAgent(answer(body), async (link) => {
      await assert.rejects(link.health({ signal }), { code: 'GUEST_PROTOCOL' }, body.slice(0, 20));
    });
  }
});

test("a refusal is GUEST_FAILED with the agent's code and its sanitised message", async () => {
  const refusal = answer(JSON.stringify({ code: 'conflict', message: 'in\nthe way' }), 409);
  await withAgent(refusal, async (link) => {
    await assert.rejects(link.sync({ signal }), {
      code: 'GUEST_FAILED',
      message: "Cannot write the guest's disks: in the way",
      details: { guestCode: 'conflict', status: 409 },
    });
  });
});

test('a refusal of an unknown shape, or an endless one, is GUEST_PROTOCOL', async () => {
  const endless: Handler = (stream) => {
    stream.respond({ ':status': 500 });
    const source = new Readable({ read: () => void source.push(Buffer.alloc(16384)) });
    source.pipe(stream);
  };
  for (const handle of [answer('<html>', 502), answer('{}', 500), endless]) {
    await withAgent(handle, async (link) => {
      await assert.rejects(link.stats({ signal }), { code: 'GUEST_PROTOCOL' });
    });
  }
});

test('a reset request is GUEST_PROTOCOL, and the link stays usable', async () => {
  let requests = 0;
  const handle: Handler = (stream, headers) => {
    requests += 1;
    if (requests === 1) stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    else answer(JSON.stringify(HEALTH))(stream, headers);
  };
  await withAgent(handle, async (link) => {
    await assert.rejects(link.health({ signal }), { code: 'GUEST_PROTOCOL' });
    assert.equal((await link.health({ signal })).bootId, 'b');
  });
});

test('bytes that are not HTTP/2 are GUEST_PROTOCOL', async () => {
  await using agent = await listenAsAgent((socket) => {
    const stop = onHello(socket, (line) => {
      stop();
      socket.write(`${line}\nHTTP/1.1 200 OK\r\n\r\n`);
    });
  });
  await using link = await connect(agent);
  await assert.rejects(link.health({ signal }), { code: 'GUEST_PROTOCOL' });
  await link.closed;
});

test('a lost link ends every call with GUEST_LOST, also later ones', async () => {
  await using agent = await listenAsHttp2Agent((stream, headers) => {
    if (headers[':path'] === '/exec') {
      stream.respond({ ':status': 200 });
      stream.write(encodeJsonFrame(FRAME.started, { pid: 9 }));
    }
    stream.resume();
  });
  await using link = await connect(agent);
  const stream = await link.exec({ signal });
  const reading = buffer(stream);
  const calls = [
    link.ready({ signal }),
    link.tcp(80, { signal }),
    link.run({ argv: ['x'] }, { signal }),
    reading,
  ];
  const put = link.putTar('/x', Readable.from([Buffer.alloc(10)]), { signal });
  await new Promise((resolve) => setTimeout(resolve, 50));
  agent.sockets[0]?.destroy();
  await Promise.all([...calls, put].map((call) => assert.rejects(call, { code: 'GUEST_LOST' })));
  await link.closed;
  await assert.rejects(link.health({ signal }), { code: 'GUEST_LOST' });
  await assert.rejects(link.exec({ signal }), { code: 'GUEST_LOST' });
});

test('disposing twice is fine and ends what runs', async () => {
  await using agent = await listenAsHttp2Agent((stream) => stream.resume());
  const link = await connect(agent);
  const call = link.ready({ signal });
  await Promise.all([assert.rejects(call, { code: 'GUEST_LOST' }), link[Symbol.asyncDispose]()]);
  await link[Symbol.asyncDispose]();
});

test('an aborted signal resets its request, and no listener is left on it', async () => {
  const resets: number[] = [];
  const handle: Handler = (stream) => {
    stream.resume();
    stream.on('close', () => resets.push(stream.rstCode));
  };
  await withAgent(handle, async (link) => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const calls = [link.ready(options), link.run({ argv: ['x'] }, options), link.getTar('/', options)];
    const stream = await link.exec(options);
    const failed = once(stream, 'error');
    setTimeout(() => controller.abort(reason), 50);
    await Promise.all(calls.map((call) => assert.rejects(call, reason)));
    assert.deepEqual(await failed, [reason]);
    assert.deepEqual(getEventListeners(controller.signal, 'abort'), []);
    await until(() => resets.length >= 4);
    assert.deepEqual(new Set(resets), new Set([http2.constants.NGHTTP2_CANCEL]));
    await assert.rejects(link.health(options), reason);
  });
});

test('a request that succeeds leaves no listener on its signal', async () => {
  await withAgent(answer(JSON.stringify(HEALTH)), async (link) => {
    const controller = new AbortController();
    await link.health({ signal: controller.signal });
    assert.deepEqual(getEventListeners(controller.signal, 'abort'), []);
  });
});

test('run() collects output, and reports too much of it or a missing end', async () => {
  const say =
    (...frames: Buffer[]): Handler =>
    (stream) => {
      stream.resume();
      stream.respond({ ':status': 200 });
      stream.end(Buffer.concat(frames));
    };
  const [out, err] = [encodeFrame(FRAME.stdout, 'o'.repeat(50)), encodeFrame(FRAME.stderr, 'e'.repeat(50))];
  const exit = encodeJsonFrame(FRAME.exit, { signal: 'SIGTERM', number: 15 });
  await withAgent(say(out, err, exit), async (link) => {
    const got = await link.run({ argv: ['x'] }, { signal, maxOutputBytes: 100 });
    assert.deepEqual(got, {
      exit: { signal: 'SIGTERM', number: 15 },
      stdout: Buffer.alloc(50, 'o'),
      stderr: Buffer.alloc(50, 'e'),
    });
    await assert.rejects(link.run({ argv: ['x'] }, { signal, maxOutputBytes: 99 }), {
      code: 'GUEST_OUTPUT_TOO_LONG',
    });
  });
  await withAgent(say(out), async (link) => {
    await assert.rejects(link.run({ argv: ['x'] }, { signal }), { code: 'GUEST_PROTOCOL' });
  });
});

test('run() fails with the error of its input, and destroys the input when the command ends first', async () => {
  const reason = new Error('unreadable');
  await withAgent(
    (stream) => stream.resume(),
    async (link) => {
      const input = new Readable({ read: () => {} });
      setTimeout(() => input.destroy(reason), 20);
      await assert.rejects(link.run({ argv: ['x'] }, { signal, input }), reason);
    },
  );
  await withAgent(answer(encodeJsonFrame(FRAME.exit, { code: 0 }).toString('latin1')), async (link) => {
    const input = new PassThrough();
    await link.run({ argv: ['x'] }, { signal, input });
    assert.equal(input.destroyed, true);
  });
});

test('putTar() fails with the error of its stream, and resets the request', async () => {
  const { promise: reset, resolve } = Promise.withResolvers<number>();
  const handle: Handler = (stream) => {
    stream.resume();
    stream.on('close', () => resolve(stream.rstCode));
  };
  await withAgent(handle, async (link) => {
    const reason = new Error('unreadable');
    const tar = new Readable({ read: () => {} });
    setTimeout(() => tar.destroy(reason), 20);
    await assert.rejects(link.putTar('/x', tar, { signal }), reason);
    assert.equal(await reset, http2.constants.NGHTTP2_CANCEL);
  });
});

test('putTar() ends its stream when the agent refuses in the middle', async () => {
  const handle: Handler = (stream, headers) => {
    stream.once('data', () =>
      answer(JSON.stringify({ code: 'bad_request', message: 'no' }), 400)(stream, headers),
    );
  };
  await withAgent(handle, async (link) => {
    const tar = new Readable({ read: () => void tar.push(Buffer.alloc(65536)) });
    await assert.rejects(link.putTar('/x', tar, { signal }), { code: 'GUEST_FAILED' });
    assert.equal(tar.destroyed, true);
  });
});

test('getTar() fails when the agent reports an error after the content', async () => {
  for (const [trailer, code] of [
    ['{"code":"failed","message":"became shorter"}', 'GUEST_FAILED'],
    ['what?', 'GUEST_PROTOCOL'],
  ] as const) {
    const handle: Handler = (stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'banger-error': trailer }));
      stream.end('content');
    };
    await withAgent(handle, async (link) => {
      await assert.rejects(buffer(await link.getTar('/x', { signal })), { code });
    });
  }
});

test('paths are sent unchanged', async () => {
  const paths: unknown[] = [];
  const handle: Handler = (stream, headers) => {
    paths.push(headers[':path']);
    stream.resume();
    answer('{"entries":0,"bytes":0}')(stream, headers);
  };
  await withAgent(handle, async (link) => {
    await link.putTar('/a b/ä&c', Readable.from([]), { signal, owner: 'archive' });
    await link.putTar('/', Readable.from([]), { signal });
    await buffer(await link.getTar('/#', { signal }));
  });
  assert.deepEqual(paths, [
    '/tar?path=%2Fa%20b%2F%C3%A4%26c&owner=archive',
    '/tar?path=%2F&owner=root',
    '/tar?path=%2F%23',
  ]);
});

test('sync() requests a trim in a way that older agents ignore', async () => {
  const paths: unknown[] = [];
  const handle: Handler = (stream, headers) => {
    paths.push(headers[':path']);
    answer('{"programCount":0,"trimmedBytes":5}')(stream, headers);
  };
  await withAgent(handle, async (link) => {
    const trim = { withinMs: 1000, hostBytes: { overlay: 7, work: 9 } };
    assert.deepEqual(await link.sync({ signal, trim }), { programCount: 0, trimmedBytes: 5 });
    await link.sync({ signal, trim: { withinMs: 1000, hostBytes: { overlay: 7, work: 9, workBase: 8 } } });
    await link.sync({ signal });
  });
  const query = '/sync?trim=1000&overlay=7&work=9';
  assert.deepEqual(paths, [query, `${query}&workBase=8`, '/sync']);
});

test('a request that an older agent lacks is refused with its name and a hint', async () => {
  await using agent = await listenAsHttp2Agent(() => assert.fail('no request may be sent'), 0);
  const connector = createGuestConnector({ generations: { oldest: 0, newest: 1 } });
  const endpoint = { kind: 'unix', path: agent.path } as const;
  let name = 'web';
  const meeting = { signal, helloDeadlineMs: 5000, vmName: () => name };
  await using link = await connector.connect(endpoint, meeting);
  name = 'renamed';
  await assert.rejects(link.stats({ signal }), {
    code: 'GUEST_GENERATION',
    message:
      /^Cannot measure the guest: the VM has an earlier agent, of generation 0, and this needs generation 1$/,
    hint: /banger vm restart renamed$/,
    details: { generation: 0, since: 1 },
  });
});

test('a link ends even when the guest stops reading an upload, and the upload fails', async () => {
  await using agent = await listenAsHttp2Agent((stream) => {
    stream.respond();
    stream.pause();
  });
  const link = await connect(agent);
  const stream = await link.tcp(80, { signal });
  // A source that never ends.
  const more = (): void => {
    while (stream.write(Buffer.alloc(65_536)));
  };
  stream.on('drain', more);
  more();
  const failed = once(stream, 'error');
  await new Promise((resolve) => setTimeout(resolve, 100));
  await link[Symbol.asyncDispose]();
  assert.equal((await failed)[0].code, 'GUEST_LOST');
});

test('commands and connections beyond the limit are GUEST_BUSY, and other requests still work', async () => {
  const handle: Handler = (stream, headers) => {
    if (headers[':path'] === '/health') answer(JSON.stringify(HEALTH))(stream, headers);
    else stream.respond();
  };
  await withAgent(handle, async (link) => {
    const open = await Promise.all(Array.from({ length: 448 }, () => link.exec({ signal })));
    await assert.rejects(link.exec({ signal }), { code: 'GUEST_BUSY', details: { openCount: 448 } });
    await assert.rejects(link.tcp(80, { signal }), { code: 'GUEST_BUSY' });
    assert.deepEqual(await link.health({ signal }), HEALTH);
    open[0]?.destroy();
    await link.health({ signal });
    (await link.exec({ signal })).destroy();
  });
});
