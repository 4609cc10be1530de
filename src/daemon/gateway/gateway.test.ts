import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer as createTcpServer, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import {
  type GatewayLab,
  openGatewayLab,
  portOf,
  upgradeHead,
} from '../../../test/support/network/gateway-lab.ts';
import { until } from '../../../test/support/until.ts';
import { breakSocket } from '../../base/break-socket.ts';
import { AppError } from '../../base/errors.ts';

let lab: GatewayLab;
before(async () => {
  lab = await openGatewayLab();
});
after(() => lab[Symbol.asyncDispose]());
beforeEach(() => lab.reset());

test('NAME.localhost is the first web server, and PORT.NAME.localhost that port; the guest sees its own name', async () => {
  const host = `web.localhost:${lab.port}`;
  assert.equal((await lab.ask('/a?b=c', { host })).body, 'hello');
  const byPort = `${lab.serverPort}.web.localhost:${lab.port}`;
  const spoofed = { 'x-forwarded-for': '1.2.3.4', forwarded: 'for=1.2.3.4', 'x-real-ip': '1.2.3.4' };
  assert.equal((await lab.ask('/d', { host: byPort, headers: spoofed })).status, 200);
  assert.deepEqual(
    lab.asked.map(({ url, headers }) => [
      url,
      headers.host,
      headers['x-forwarded-host'],
      headers['x-forwarded-for'],
    ]),
    [
      ['/a?b=c', host, host, '127.0.0.1'],
      ['/d', byPort, byPort, '127.0.0.1'],
    ],
  );
  const headers = lab.asked[1]?.headers ?? {};
  assert.deepEqual(
    [headers['x-forwarded-port'], headers['x-forwarded-proto'], headers['forwarded'], headers['x-real-ip']],
    [String(lab.port), 'http', undefined, undefined],
  );
  await lab.settled();
});

test('bodies pass whole in both directions, with the headers of the answer', async () => {
  const content = Buffer.alloc(8 * 2 ** 20, 'x');
  const { body, headers } = await lab.ask('/echo', { method: 'POST', body: content });
  assert.equal(body.length, content.length);
  assert.equal(headers['x-mine'], 'yes');
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  await lab.settled();
});

test('a body that is still being sent is already answered, and an event arrives before the end', async () => {
  const socket = await lab.raw(
    'POST /echo HTTP/1.1\r\nhost: web.localhost\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n',
  );
  let got = '';
  socket.on('data', (chunk: Buffer) => {
    got += chunk.toString();
  });
  await until(() => got.includes('abc'));
  socket.write('3\r\ndef\r\n0\r\n\r\n');
  await until(() => got.includes('def'));
  socket.destroy();
  const events = await lab.raw('GET /events HTTP/1.1\r\nhost: web.localhost\r\n\r\n');
  const [first] = (await once(events, 'data')) as [Buffer];
  assert.match(first.toString(), /200 OK/);
  events.destroy();
  await lab.settled();
});

test('a WebSocket passes bytes both ways; whichever side ends, the other ends too', async () => {
  for (const end of ['client', 'reset', 'guest'] as const) {
    const socket = await lab.raw(`${upgradeHead()}early`);
    let got = '';
    socket.on('data', (chunk: Buffer) => {
      got += chunk.toString();
    });
    await until(() => got.endsWith('readyearly'));
    assert.match(got, /^HTTP\/1.1 101 /);
    socket.write('more');
    await until(() => got.endsWith('more'));
    assert.equal(lab.useCount, 1);
    if (end === 'client') socket.destroy();
    else if (end === 'reset') breakSocket(socket);
    else for (const one of lab.upgraded) one.destroy();
    if (end === 'guest') await once(socket, 'close');
    await lab.settled();
  }
});

test('an upgrade that the guest refuses is passed on; one that is no WebSocket is refused', async () => {
  const socket = await lab.raw(upgradeHead('/refuse'));
  assert.match(await text(socket), /^HTTP\/1.1 401 No[\s\S]*no$/);
  const other = await lab.raw(
    'GET / HTTP/1.1\r\nhost: web.localhost\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n',
  );
  assert.match(await text(other), /^HTTP\/1.1 502 /);
  await lab.settled();
});

test('names that are not below localhost are refused as host and as origin, for upgrades too', async () => {
  for (const host of ['127.0.0.1', 'evil.example', 'web.localhost.evil.example']) {
    assert.equal((await lab.ask('/', { host })).status, 403);
  }
  for (const origin of ['http://evil.example', 'null']) {
    assert.equal((await lab.ask('/', { headers: { origin } })).status, 403);
    const socket = await lab.raw(upgradeHead('/ws', `origin: ${origin}\r\n`));
    assert.match(await text(socket), /^HTTP\/1.1 403 /);
  }
  assert.equal((await lab.ask('/', { headers: { origin: 'http://web.localhost:7480' } })).status, 200);
  const missing = await lab.raw('GET / HTTP/1.0\r\n\r\n');
  assert.match(await text(missing), /^HTTP\/1.1 403 /);
  assert.equal(lab.asked.length, 1);
});

test('programs of other users get nothing', async () => {
  lab.isOwnUser = false;
  await assert.rejects(lab.ask('/'));
  assert.equal(await text(await lab.raw(upgradeHead())), '');
  assert.equal(lab.asked.length, 0);
});

test('an unknown name gets the list of VMs, as a page without script', async () => {
  const { status, body, headers } = await lab.ask('/', {
    host: 'nope.localhost',
    headers: { accept: 'text/html' },
  });
  assert.equal(status, 404);
  assert.match(body, /There is no VM &#34;nope&#34;/);
  assert.match(body, /<td>web<\/td><td>running<\/td>/);
  assert.match(body, /&#60;b&#62;/);
  assert.doesNotMatch(body, /<script|<b>|<button|<form/);
  assert.match(String(headers['content-security-policy']), /default-src 'none'/);
  assert.equal((await lab.ask('/', { host: 'localhost' })).status, 200);
});

test('a VM without an answer gets a page that says why', async () => {
  const closed = createTcpServer();
  await new Promise<void>((done) => closed.listen(0, '127.0.0.1', done));
  const port = portOf(closed);
  await new Promise<void>((done) => closed.close(() => done()));
  const nothing = await lab.ask('/', { host: `${port}.web.localhost` });
  assert.equal(nothing.status, 502);
  assert.match(nothing.body, new RegExp(`Port ${port} of VM "web" does not answer\n.*nothing listens`));
  const silent = await lab.ask('/', { host: 'silent.localhost' });
  assert.deepEqual(
    [silent.status, silent.body.split('\n')[0]],
    [502, 'No web server is running in VM "silent"'],
  );
  lab.vms.push({ id: 'off', name: 'off', state: 'stopped' });
  const off = await lab.ask('/', { host: 'off.localhost' });
  assert.equal(off.status, 503);
  assert.match(off.body, /banger vm start off/);
});

test('a server that closes the connection or does not speak HTTP is a 502', async () => {
  const answers: ((socket: Socket) => unknown)[] = [
    (socket) => socket.destroy(),
    (socket) => socket.end('SSH-2.0-OpenSSH\r\n'),
    (socket) => socket.end(Buffer.alloc(200_000, 'x')),
  ];
  for (const answer of answers) {
    const rude = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => answer(socket));
    });
    await new Promise<void>((done) => rude.listen(0, '127.0.0.1', done));
    const { status, body } = await lab.ask('/', { host: `${portOf(rude)}.web.localhost` });
    assert.equal(status, 502);
    assert.match(body, /its answer is not HTTP/);
    rude.close();
  }
  await lab.settled();
});

test('a request to a suspended VM wakes it, and is held and served', async () => {
  const { promise: awake, resolve } = Promise.withResolvers<void>();
  lab.wake = () => awake;
  lab.vms = [{ id: 'web', name: 'web', state: 'suspended' }];
  const answer = lab.ask('/echo', { method: 'POST', body: Buffer.from('kept') });
  await until(() => lab.wakes.length === 1);
  assert.equal(lab.asked.length, 0);
  resolve();
  assert.deepEqual(await answer.then(({ status, body }) => [status, body]), [200, 'kept']);
});

test('a failed wake is a page; a client that leaves meanwhile leaves nothing', async () => {
  lab.vms = [{ id: 'web', name: 'web', state: 'suspended' }];
  lab.wake = async () => {
    throw new AppError('VMM_RESTORE_FAILED', 'Cannot resume vm "web"', {
      hint: 'banger vm start --cold web',
    });
  };
  const { status, body } = await lab.ask('/');
  assert.equal(status, 502);
  assert.match(body, /Cannot resume vm "web"\nNext step: banger vm start --cold web/);
  const { promise: awake, resolve } = Promise.withResolvers<void>();
  let hasLeft = false;
  lab.wake = (signal) => {
    signal.addEventListener('abort', () => {
      hasLeft = true;
    });
    return awake;
  };
  const socket = await lab.raw('GET / HTTP/1.1\r\nhost: web.localhost\r\n\r\n');
  await until(() => lab.wakes.length === 2);
  socket.destroy();
  await until(() => hasLeft);
  resolve();
  await lab.settled();
  assert.equal(lab.asked.length, 0);
});
