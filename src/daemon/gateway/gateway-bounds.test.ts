import assert from 'node:assert/strict';
import { buffer, text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import { type GatewayLab, LAB_HEAD_MS, openGatewayLab } from '../../../test/support/network/gateway-lab.ts';
import { until } from '../../../test/support/until.ts';
import { breakSocket } from '../../base/break-socket.ts';

let lab: GatewayLab;
before(async () => {
  lab = await openGatewayLab();
});
after(() => lab[Symbol.asyncDispose]());
beforeEach(() => lab.reset());

test('a head that is too long, has no end or is malformed ends its connection, and no other', async () => {
  const long = await lab.raw(`GET / HTTP/1.1\r\nhost: web.localhost\r\nx: ${'y'.repeat(40_000)}`);
  assert.match(await text(long), /^HTTP\/1.1 4\d\d /);
  const slow = await lab.raw('GET / HTTP/1.1\r\nhost: web.localhost\r\nx: y');
  const begun = performance.now();
  await buffer(slow);
  assert.ok(performance.now() - begun >= LAB_HEAD_MS - 100);
  const smuggled = await lab.raw(
    'POST / HTTP/1.1\r\nhost: web.localhost\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
  );
  assert.match(await text(smuggled), /^HTTP\/1.1 400 /);
  assert.equal(lab.asked.length, 0);
  assert.equal((await lab.ask('/')).status, 200);
});

test('500 connections at once, half of them cut, leave nothing behind', async () => {
  const cut = async (): Promise<void> => {
    const socket = await lab.raw('GET /hang HTTP/1.1\r\nhost: web.localhost\r\n\r\n');
    await until(() => socket.bytesWritten > 0);
    breakSocket(socket);
  };
  const whole = async (): Promise<void> => {
    const { body } = await lab.ask('/echo', { method: 'POST', body: Buffer.alloc(100_000, 'x') });
    assert.equal(body.length, 100_000);
  };
  await Promise.all(Array.from({ length: 500 }, (_, at) => (at % 2 === 0 ? cut() : whole())));
  await lab.settled();
});
