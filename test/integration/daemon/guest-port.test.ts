import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { neverAborts, poll } from '../../../src/base/abort.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { FakeOutput, FakeSignals, runCli } from '../../support/cli/cli-harness.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { until } from '../../support/until.ts';

// The guest is an agent on this host: its ports are those of this host.
const signal = neverAborts();

let lab: DaemonLab;
let echo: Server;
let port: number;
const connections = new Set<Socket>();

before(async () => {
  lab = await openDaemonLab();
  await lab.start();
  await resultOf(lab.client.createVm({ name: 'box' }, { signal }));
  echo = createServer({ allowHalfOpen: true }, (socket) => {
    connections.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => connections.delete(socket));
    socket.pipe(socket);
    // A pipe whose target has finished stops its source, which would then never see its end.
    socket.on('finish', () => socket.resume());
  });
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  ({ port } = echo.address() as AddressInfo);
});

after(async () => {
  echo.close();
  await lab[Symbol.asyncDispose]();
});

const noConnection = (): Promise<true> =>
  poll(() => (connections.size === 0 ? true : undefined), {
    everyMs: 10,
    deadlineMs: 55_000,
    what: 'the connection to the port to be closed',
    signal,
  });

test('bytes reach a port in pieces of any size, and its answer comes back', async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 200_000, size: 'max' }), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(pieces, async (chunks) => {
      const stream = await lab.client.openPort('box', port, { signal });
      const answer = buffer(stream);
      for (const chunk of chunks)
        if (!stream.write(chunk)) await new Promise((done) => stream.once('drain', done));
      stream.end();
      assert.ok((await answer).equals(Buffer.concat(chunks)));
    }),
    { numRuns: 20 },
  );
  await noConnection();
});

test('a client that does not read blocks the port, and loses nothing', async () => {
  const stream = await lab.client.openPort('box', port, { signal });
  const content = Buffer.alloc(24 * 2 ** 20, 'x');
  stream.write(content);
  stream.end();
  // The port can send what fits into the buffers between the two, and then no more.
  const gotBytes = (): number => [...connections].reduce((sum, { bytesRead }) => sum + bytesRead, 0);
  let before = 0;
  await until(
    () => {
      const isStill = gotBytes() > 0 && gotBytes() === before;
      before = gotBytes();
      return isStill;
    },
    { what: 'the port to be stopped', everyMs: 250 },
  );
  assert.ok(gotBytes() < content.length, `${gotBytes()} bytes`);
  assert.equal((await buffer(stream)).length, content.length);
  await noConnection();
});

test('the port is closed when its client hangs up', async () => {
  const stream = await lab.client.openPort('box', port, { signal });
  stream.write('hello');
  await new Promise((resolve) => stream.once('data', resolve));
  assert.equal(connections.size, 1);
  stream.destroy();
  await noConnection();
});

test('a port that hangs up ends the stream', async () => {
  const stream = await lab.client.openPort('box', port, { signal });
  const ended = buffer(stream);
  stream.write('hello');
  await poll(() => (connections.size === 1 ? true : undefined), {
    everyMs: 5,
    deadlineMs: 55_000,
    what: 'the connection',
    signal,
  });
  for (const connection of connections) connection.end('bye');
  assert.match((await ended).toString(), /bye$/);
  await noConnection();
});

test('closed ports, invalid ports and VMs that do not run are different errors', async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port: free } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  await assert.rejects(lab.client.openPort('box', free, { signal }), {
    code: 'GUEST_PORT_CLOSED',
    message: `Cannot connect to port ${free} of "box": nothing listens on it`,
  });
  for (const wrong of [0, -1, 65_536, 1.5, Number.NaN]) {
    await assert.rejects(lab.client.openPort('box', wrong, { signal }), { code: 'REQUEST_INVALID' });
  }
  await assert.rejects(lab.client.openPort('nobody', port, { signal }), { code: 'VM_NOT_FOUND' });
});

test('the proxy for ssh connects stdin and stdout with a port, and exits with 0 when ssh hangs up', async () => {
  const [stdin, stdout, signals] = [new PassThrough(), new FakeOutput(), new FakeSignals()];
  const running = runCli(['vm', 'proxy', 'box', String(port)], {
    env: lab.env,
    cwd: lab.dir,
    stdin,
    stdout,
    signals,
  });
  stdin.write('SSH-2.0-test\r\n');
  const what = 'the echo';
  await poll(() => stdout.text || undefined, { everyMs: 10, deadlineMs: 55_000, what, signal });
  assert.equal(stdout.text, 'SSH-2.0-test\r\n');
  signals.send('SIGHUP');
  const { status, stderr } = await running;
  assert.equal(status, 0);
  assert.doesNotMatch(stderr, /SIGHUP/);
  await noConnection();

  const refused = await runCli(['vm', 'proxy', 'nobody', '22'], { env: lab.env, cwd: lab.dir });
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /Cannot find a vm "nobody"/);
});

test('the proxy for ssh ends with its owner, in whatever way that ends', async () => {
  const owner = spawn('sleep', ['300'], { stdio: 'ignore' });
  const [stdin, stdout] = [new PassThrough(), new FakeOutput()];
  const running = runCli(['vm', 'proxy', 'box', String(port), String(owner.pid)], {
    env: lab.env,
    cwd: lab.dir,
    stdin,
    stdout,
  });
  stdin.write('still there\n');
  const what = 'the echo';
  await poll(() => stdout.text || undefined, { everyMs: 10, deadlineMs: 55_000, what, signal });
  owner.kill('SIGKILL');
  assert.equal((await running).status, 0);
  await noConnection();
});
