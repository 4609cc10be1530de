import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { until } from '../../../../test/support/until.ts';
import { neverAborts } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import { findWebPort } from './find-web-port.ts';

const signal = neverAborts();

/**
 * What a port of the guest answers to any question; `slow` is a web server that takes 100 ms, `silent` never
 * answers, `closed` refuses.
 */
type Answer = 'http' | 'slow' | 'ssh' | 'tls' | 'silent' | 'closed';

function guest(ports: Readonly<Record<number, Answer>>): { agent: GuestAgent; open: Set<Duplex> } {
  const open = new Set<Duplex>();
  const texts: Partial<Record<Answer, Buffer>> = {
    http: Buffer.from('HTTP/1.1 200 OK\r\n\r\n'),
    ssh: Buffer.from('SSH-2.0-x\r\n'),
    tls: Buffer.from([0x15, 3, 3, 0, 2]),
  };
  const agent = {
    ports: async () =>
      Object.keys(ports).flatMap((port) => [
        { proto: 'tcp', port: Number(port), address: '0.0.0.0' },
        { proto: 'udp', port: 1, address: '0.0.0.0' },
      ]),
    tcp: async (port: number, options: { signal: AbortSignal }) => {
      const answer = ports[port] ?? 'closed';
      if (answer === 'closed') throw new AppError('GUEST_FAILED', 'nothing listens');
      const stream = new Duplex({
        read() {},
        write(_chunk, _encoding, done) {
          const text = texts[answer];
          if (text) this.push(text);
          if (answer === 'slow') setTimeout(() => this.destroyed || this.push(texts.http), 100);
          done();
        },
      });
      stream.on('error', () => {});
      open.add(stream);
      stream.once('close', () => open.delete(stream));
      options.signal.addEventListener('abort', () => stream.destroy(new Error('aborted')), { once: true });
      return stream;
    },
  };
  return { agent: agent as unknown as GuestAgent, open };
}

for (const [ports, expected] of [
  [{ 8080: 'http', 3000: 'http', 22: 'ssh' }, 3000],
  [{ 443: 'tls', 8000: 'http', 9: 'closed' }, 8000],
  [{ 22: 'ssh', 443: 'tls' }, undefined],
  [{}, undefined],
] as const) {
  test(`of ${JSON.stringify(ports)}, the first web server is ${expected}`, async () => {
    const { agent, open } = guest(ports);
    assert.equal(await findWebPort(agent, { signal }), expected);
    await until(() => open.size === 0);
  });
}

test('the first web server is found without waiting for silent ports above it, which are closed', async () => {
  const { agent, open } = guest({ 80: 'http', 5432: 'silent', 6379: 'silent' });
  const begun = performance.now();
  assert.equal(await findWebPort(agent, { signal }), 80);
  assert.ok(performance.now() - begun < 2_000);
  await until(() => open.size === 0);
});

for (const [ports, expected] of [
  [{ 5173: 'slow' }, 5173],
  [{ 5173: 'slow', 5432: 'silent', 22: 'ssh' }, 5173],
  [{ 3000: 'silent', 5173: 'slow' }, 5173],
  [{ 3000: 'slow', 8080: 'http' }, 8080],
  [{ 3000: 'silent' }, undefined],
] as const) {
  test(`of ${JSON.stringify(ports)}, ${expected} is taken when it is late for a first answer`, async () => {
    const { agent, open } = guest(ports);
    assert.equal(await findWebPort(agent, { signal, shortMs: 20, longMs: 3_000 }), expected);
    await until(() => open.size === 0);
  });
}

test('a failure that is no answer of the guest is thrown', async () => {
  const broken = {
    ports: async () => [{ proto: 'tcp', port: 1, address: '0.0.0.0' }],
    tcp: () => assert.fail('bug'),
  };
  await assert.rejects(findWebPort(broken as unknown as GuestAgent, { signal, shortMs: 1 }), /bug/);
});
