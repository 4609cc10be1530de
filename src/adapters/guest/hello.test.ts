import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import http2 from 'node:http2';
import type net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { listenAsAgent, listenAsHttp2Agent, onHello } from '../../../test/support/fakes/fake-agent.ts';
import { neverAborts } from '../../base/abort.ts';
import type { GuestAgent } from '../../core/ports/guest.ts';
import { AGENT_GENERATION, OLDEST_AGENT_GENERATION } from '../../protocol/guest.ts';
import { createGuestConnector } from './connector.ts';
import { EchoFinder } from './hello.ts';

const NONCE = '0123456789abcdef0123456789abcdef';

async function connect(path: string, helloDeadlineMs = 5000, signal = neverAborts()): Promise<GuestAgent> {
  return await createGuestConnector().connect({ kind: 'unix', path }, { signal, helloDeadlineMs });
}

test('EchoFinder finds the echo after any bytes, however the stream is split', () => {
  const garbage = fc.oneof(
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    fc
      .constantFrom('BANGER/1 ', `BANGER/1 ${NONCE}`, `BANGER/1 ${'f'.repeat(32)}\n`, ` ${NONCE}\n`)
      .map(Buffer.from),
  );
  fc.assert(
    fc.property(fc.array(garbage), fc.array(fc.nat(500)), fc.string(), (before, cuts, after) => {
      const echo = `BANGER/1 ${NONCE}\n`;
      const stream = Buffer.concat([...before, Buffer.from(`\n${echo}${after}`)]);
      const finder = new EchoFinder();
      finder.expect(NONCE);
      const ends = [...cuts.map((cut) => cut % stream.length).sort((a, b) => a - b), stream.length];
      let start = 0;
      for (const end of ends) {
        const found = finder.push(stream.subarray(start, end));
        if (found) {
          assert.equal(found.generation, 1);
          const rest = Buffer.concat([found.rest, stream.subarray(end)]);
          assert.ok(rest.toString().endsWith(after));
          return;
        }
        start = end;
      }
      assert.fail('the echo was not found');
    }),
  );
});

test('EchoFinder accepts only the echo of the latest nonce', () => {
  const finder = new EchoFinder();
  finder.expect(NONCE);
  finder.expect('f'.repeat(32));
  assert.equal(finder.push(Buffer.from(`BANGER/1 ${NONCE}\n`)), undefined);
  assert.equal(
    finder.push(Buffer.from(`BANGER/ ${'f'.repeat(32)}\nBANGER/x ${'f'.repeat(32)}\n`)),
    undefined,
  );
});

test('connect() sends a second hello with another nonce, and discards the echo of the first', async () => {
  const nonces: string[] = [];
  await using agent = await listenAsAgent((socket) => {
    onHello(socket, (_line, nonce) => {
      nonces.push(nonce);
      if (nonces.length === 2)
        socket.write(
          `\0\u00ff garbage BANGER/${AGENT_GENERATION} ${nonces[0]}\nBANGER/${AGENT_GENERATION} ${nonce}\n`,
        );
    });
  });
  await using _link = await connect(agent.path);
  assert.equal(new Set(nonces).size, 2);
});

test('the first hello to a restored guest is found even in the middle of a frame, any other first hello is short', async () => {
  for (const [isRestored, leastBytes] of [
    [true, 16 * 1024 + 9],
    [false, 0],
  ] as const) {
    const { promise: heard, resolve } = Promise.withResolvers<Buffer>();
    await using agent = await listenAsAgent((socket) => {
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      onHello(socket, (line) => {
        resolve(Buffer.concat(chunks));
        socket.write(`${line}\n`);
      });
    });
    const options = { signal: neverAborts(), helloDeadlineMs: 5000, isRestored };
    await using _link = await createGuestConnector().connect({ kind: 'unix', path: agent.path }, options);
    const padding = (await heard).indexOf('BANGER/');
    assert.equal(padding, leastBytes);
    assert.deepEqual((await heard).subarray(0, padding), Buffer.alloc(leastBytes, '\n'));
  }
});

test('connect() waits for a socket that does not exist yet', async () => {
  const path = join(tmpdir(), `late-${process.pid}`);
  await assert.rejects(connect(path, 50), {
    code: 'GUEST_UNREACHABLE',
    message: /nothing listens there after 0.05 s$/,
  });
});

test('connect() fails when nothing answers, and leaves no connection', async () => {
  await using agent = await listenAsAgent((socket) => socket.resume());
  await assert.rejects(connect(agent.path, 100), { code: 'GUEST_UNREACHABLE' });
  await closed(agent.sockets[0]);
});

test('the hint for an unreachable guest names its VM, and is absent when users cannot name it', async () => {
  const options = { signal: neverAborts(), helloDeadlineMs: 50 };
  const endpoint = { kind: 'unix', path: join(tmpdir(), 'banger-none') } as const;
  const { connect } = createGuestConnector();
  await assert.rejects(connect(endpoint, { ...options, vmName: () => 'web' }), {
    hint: "the VM's console shows what the guest does: banger vm logs web",
  });
  await assert.rejects(connect(endpoint, options), { code: 'GUEST_UNREACHABLE', hint: undefined });
});

test('connect() fails when the guest only sends garbage', async () => {
  await using agent = await listenAsAgent((socket) => {
    socket.resume();
    const babble = setInterval(() => socket.write('BANGER/1 nonsense\n'.repeat(100)), 1);
    socket.on('close', () => clearInterval(babble));
  });
  await assert.rejects(connect(agent.path, 100), { code: 'GUEST_UNREACHABLE' });
});

test('a guest that writes without end instead of a hello is read slowly', async () => {
  let sentBytes = 0;
  await using agent = await listenAsAgent((socket) => {
    socket.resume();
    const noise = Buffer.alloc(64 * 1024, 'BANGER/1 ');
    const flood = (): void => {
      if (socket.destroyed) return;
      sentBytes += noise.length;
      socket.write(noise, flood);
    };
    flood();
  });
  await assert.rejects(connect(agent.path, 500), { code: 'GUEST_UNREACHABLE' });
  assert.ok(sentBytes < 8_000_000, `${sentBytes} bytes were read`);
});

test('what an earlier connection has left does not keep the hello from being found', async () => {
  await using agent = await listenAsAgent((socket) => {
    socket.write(Buffer.alloc(2_000_000, 'BANGER/1 '));
    onHello(socket, (line) => socket.write(`${line}\n`));
  });
  await using link = await connect(agent.path);
  assert.equal(link.generation, AGENT_GENERATION);
});

test('connect() fails at once when the guest hangs up', async () => {
  await using agent = await listenAsAgent((socket) => {
    onHello(socket, () => socket.end());
  });
  await assert.rejects(connect(agent.path, 60_000), {
    code: 'GUEST_UNREACHABLE',
    message: /the connection was closed$/,
  });
});

test('connect() reports the generation of an agent outside its range', async () => {
  await using agent = await listenAsAgent((socket) => {
    onHello(socket, (_line, nonce) => socket.write(`BANGER/17 ${nonce}\n`));
  });
  await assert.rejects(connect(agent.path), {
    code: 'GUEST_GENERATION',
    hint: 'restart the VM, which gives it the agent of this version',
    details: { generation: 17, oldest: OLDEST_AGENT_GENERATION, newest: AGENT_GENERATION },
  });
  await closed(agent.sockets[0]);
});

/** Answers each hello as an agent of `generation` does; appends the generation in each hello to `met`. */
function answerAs(generation: number, met: number[]): (socket: net.Socket) => void {
  return (socket) => {
    const stop = onHello(socket, (line, nonce) => {
      met.push(Number(/[0-9]+/.exec(line)?.[0]));
      socket.write(`BANGER/${generation} ${nonce}\n`);
      if (met.at(-1) !== generation) return;
      stop();
      socket.pause();
      http2.performServerHandshake(socket).on('error', () => {});
    });
  };
}

test('connect() speaks the generation of an agent that is older but within its range', async () => {
  for (const generation of [3, 4, 5]) {
    const met: number[] = [];
    await using agent = await listenAsAgent(answerAs(generation, met));
    const connector = createGuestConnector({ generations: { oldest: 3, newest: 5 } });
    const endpoint = { kind: 'unix', path: agent.path } as const;
    await using link = await connector.connect(endpoint, { signal: neverAborts(), helloDeadlineMs: 5000 });
    assert.equal(link.generation, generation);
    // A busy host may say each hello again.
    assert.deepEqual([...new Set(met)], generation === 5 ? [5] : [5, generation]);
  }
});

test('connect() refuses an agent outside its range, and one that names a different generation each time', async () => {
  const connector = createGuestConnector({ generations: { oldest: 3, newest: 5 } });
  const other = /it speaks generation [26], this program 3 to 5$/;
  for (const { answers, code, message } of [
    { answers: [2], code: 'GUEST_GENERATION', message: other },
    { answers: [6], code: 'GUEST_GENERATION', message: other },
    { answers: [4, 3], code: 'GUEST_UNREACHABLE', message: /it named generation 4, then 3$/ },
    { answers: [4, 5], code: 'GUEST_UNREACHABLE', message: /it named generation 4, then 5$/ },
  ]) {
    const left = [...answers];
    await using agent = await listenAsAgent((socket) => {
      onHello(socket, (_line, nonce) => socket.write(`BANGER/${left.shift()} ${nonce}\n`));
    });
    const endpoint = { kind: 'unix', path: agent.path } as const;
    const connecting = connector.connect(endpoint, { signal: neverAborts(), helloDeadlineMs: 5000 });
    await assert.rejects(connecting, { code, message });
    await closed(agent.sockets[0]);
  }
});

test('connect() stops when its signal aborts, before or during the hello', async () => {
  await using agent = await listenAsAgent((socket) => socket.resume());
  const reason = new Error('enough');
  await assert.rejects(connect(agent.path, 5000, AbortSignal.abort(reason)), reason);
  const controller = new AbortController();
  const connecting = connect(agent.path, 5000, controller.signal);
  setTimeout(() => controller.abort(reason), 50);
  await assert.rejects(connecting, reason);
  assert.deepEqual(getEventListeners(controller.signal, 'abort'), []);
  await closed(agent.sockets.at(-1));
});

test('a link leaves no listener on the signal that it was opened with', async () => {
  await using agent = await listenAsHttp2Agent(() => {});
  const { signal } = new AbortController();
  await using _link = await connect(agent.path, 5000, signal);
  assert.deepEqual(getEventListeners(signal, 'abort'), []);
});

async function closed(socket: net.Socket | undefined): Promise<void> {
  assert.ok(socket);
  if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
}
