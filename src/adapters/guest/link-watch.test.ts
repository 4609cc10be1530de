import assert from 'node:assert/strict';
import type http2 from 'node:http2';
import { test } from 'node:test';
import {
  type FakeAgent,
  listenAsAgent,
  listenAsHttp2Agent,
  onHello,
} from '../../../test/support/fakes/fake-agent.ts';
import { neverAborts, poll, sleep } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import type { ConnectOptions, GuestAgent } from '../../core/ports/guest.ts';
import { createGuestConnector } from './connector.ts';

const signal = neverAborts();
const TIMES = { quietMs: 60, silentMs: 120, startingMs: 600 };

const connect = ({ path }: FakeAgent, options: Partial<ConnectOptions> = {}): Promise<GuestAgent> =>
  createGuestConnector({ watchTimes: TIMES }).connect(
    { kind: 'unix', path },
    { signal, helloDeadlineMs: 5_000, ...options },
  );

/** Answers the hello and nothing after it. */
function listenAsSilentAgent(): Promise<FakeAgent> {
  return listenAsAgent((socket) => {
    const stop = onHello(socket, (line) => {
      stop();
      socket.write(`${line}\n`);
      socket.resume();
    });
  });
}

test('an agent that stays silent loses its requests and its link', async () => {
  await using agent = await listenAsSilentAgent();
  await using link = await connect(agent);
  const begunAt = performance.now();
  const requests = [
    link.health({ signal }),
    link.stats({ signal }),
    link.run({ argv: ['true'] }, { signal }),
  ];
  const outcomes = await Promise.allSettled(requests);
  const tookMs = performance.now() - begunAt;
  for (const outcome of outcomes) {
    assert.equal(outcome.status === 'rejected' && outcome.reason.code, 'GUEST_LOST');
    assert.match(
      outcome.status === 'rejected' ? outcome.reason.cause.message : '',
      /has not answered for 0.18 s/,
    );
  }
  assert.ok(tookMs >= 170, `took ${tookMs} ms`);
  await link.closed;
  await assert.rejects(link.health({ signal }), { code: 'GUEST_LOST' });
});

test('when the reason for the silence of an agent is known, its requests fail with it', async () => {
  await using agent = await listenAsSilentAgent();
  let isKnown = false;
  const known = new AppError('HOST_NO_SPACE', 'Cannot reach the guest: it waits for disk space');
  await using link = await connect(agent, { whySilent: () => (isKnown ? known : undefined) });
  const request = link.run({ argv: ['true'] }, { signal });
  isKnown = true;
  await assert.rejects(request, { code: 'HOST_NO_SPACE', message: known.message });
  await link.closed;
  await assert.rejects(link.health({ signal }), { code: 'HOST_NO_SPACE' });
});

test('an agent whose guest is paused loses its requests even if it answers a PING now and then', async () => {
  let pings = 0;
  await using agent = await listenAsHttp2Agent((stream) => {
    stream.session?.on('ping', () => {
      pings += 1;
    });
  });
  const known = new AppError('HOST_NO_SPACE', 'Cannot reach the guest: it waits for disk space');
  let isPaused = false;
  await using link = await connect(agent, { whySilent: () => (isPaused ? known : undefined) });
  const request = link.stats({ signal });
  await poll(async () => pings >= 2 || undefined, { everyMs: 10, deadlineMs: 5_000, what: 'PINGs', signal });
  isPaused = true;
  await assert.rejects(request, { code: 'HOST_NO_SPACE', message: known.message });
});

test('when the reason why an agent does not answer the hello is known, connect() fails with it', async () => {
  await using agent = await listenAsAgent((socket) => socket.resume());
  const known = new AppError('HOST_NO_SPACE', 'Cannot reach the guest: it waits for disk space');
  await assert.rejects(connect(agent, { helloDeadlineMs: 50, whySilent: () => known }), known);
  await assert.rejects(connect(agent, { helloDeadlineMs: 50, whySilent: () => undefined }), {
    code: 'GUEST_UNREACHABLE',
  });
});

test('a silent agent gets more time while its guest starts', async () => {
  await using agent = await listenAsSilentAgent();
  await using link = await connect(agent);
  const begunAt = performance.now();
  const [ready, health] = await Promise.allSettled([link.ready({ signal }), link.health({ signal })]);
  for (const outcome of [ready, health]) {
    assert.match(
      outcome.status === 'rejected' ? outcome.reason.cause.message : '',
      /has not answered for 0.66 s/,
    );
  }
  assert.ok(performance.now() - begunAt >= 650);
});

test('a slow agent keeps its link, because it answers the PING', async () => {
  let pings = 0;
  const respond = (stream: http2.ServerHttp2Stream): void => {
    stream.session?.on('ping', () => {
      pings += 1;
    });
    setTimeout(() => {
      stream.respond({ ':status': 200 });
      stream.end('{}');
    }, 700);
  };
  await using agent = await listenAsHttp2Agent(respond);
  await using link = await connect(agent);
  await link.sync({ signal });
  assert.ok(pings >= 2, `${pings} pings`);
});

test('an idle link gets no PING, and may be silent', async () => {
  let pings = 0;
  await using agent = await listenAsHttp2Agent((stream) => {
    stream.session?.on('ping', () => {
      pings += 1;
    });
    stream.respond({ ':status': 200 });
    stream.end('{}');
  });
  await using link = await connect(agent);
  await link.sync({ signal });
  await sleep(5 * TIMES.quietMs, { signal });
  assert.equal(pings, 0);
  await link.sync({ signal });
});

test('requests that are cancelled one after another do not hide that the agent is silent', async () => {
  await using agent = await listenAsSilentAgent();
  await using link = await connect(agent);
  const giveUp = async (): Promise<true | undefined> =>
    await link.health({ signal: AbortSignal.timeout(80) }).then(
      () => undefined,
      (error) => (error.code === 'GUEST_LOST' ? true : undefined),
    );
  await poll(giveUp, { everyMs: 1, deadlineMs: 55_000, what: 'the link to be given up', signal });
});
