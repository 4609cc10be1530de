import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, stat } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { type Duplex, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { createGuestConnector } from '../../src/adapters/guest/connector.ts';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import type { GuestAgent } from '../../src/core/ports/guest.ts';
import { type ExecEvent, ExecEventDecoder } from '../../src/protocol/exec-events.ts';
import { encodeJsonFrame, FRAME, frameHeader } from '../../src/protocol/exec-frames.ts';
import { AGENT_GENERATION, byteString, type ExecStart } from '../../src/protocol/guest.ts';
import { type AgentLab, openAgentLab } from '../support/real-agent.ts';
import { until } from '../support/until.ts';

const signal = neverAborts();
// The tests need not be root: commands run as the user of the tests.
const user = String(process.geteuid?.());

let lab: AgentLab;
let dir: string;
let link: GuestAgent;

before(async () => {
  lab = await openAgentLab();
  ({ dir, link } = lab);
});

after(() => lab[Symbol.asyncDispose]());

const sh = (script: string, ...args: ExecStart['argv']): ExecStart => ({
  argv: ['sh', '-c', script, 'sh', ...args],
  user,
});

/** A command in progress, with its events one by one. */
class Session {
  readonly stream: Duplex;
  readonly #events: AsyncGenerator<ExecEvent, void>;

  constructor(stream: Duplex, start: ExecStart) {
    this.stream = stream;
    this.#events = eventsOf(stream);
    this.send(FRAME.start, start);
  }

  send(type: number, value: unknown): void {
    this.stream.write(encodeJsonFrame(type, value));
  }

  /** Reads until the output contains `text`; returns the output. */
  async until(text: string): Promise<string> {
    let seen = '';
    while (!seen.includes(text)) {
      const { value: event } = await this.#events.next();
      assert.ok(event, `the stream ended after ${JSON.stringify(seen)}`);
      if (event.kind === 'stdout' || event.kind === 'stderr') seen += event.chunk.toString();
      assert.ok(event.kind !== 'exit' && event.kind !== 'error', `${JSON.stringify(event)} after ${seen}`);
    }
    return seen;
  }

  /** Reads to the end; returns the last event and the output before it. */
  async end(): Promise<{ last: ExecEvent | undefined; output: string }> {
    let last: ExecEvent | undefined;
    let output = '';
    for await (const event of this.#events) {
      last = event;
      if (event.kind === 'stdout') output += event.chunk.toString();
    }
    return { last, output };
  }
}

async function* eventsOf(stream: Duplex): AsyncGenerator<ExecEvent, void> {
  const decoder = new ExecEventDecoder();
  for await (const chunk of stream) yield* decoder.push(chunk);
}

async function open(start: ExecStart): Promise<Session> {
  return new Session(await link.exec({ signal }), start);
}

test('health() and ready() describe the agent of this generation', async () => {
  const health = await link.health({ signal });
  assert.equal(health.generation, AGENT_GENERATION);
  assert.equal(link.generation, AGENT_GENERATION);
  assert.equal(health.bootId, (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim());
  assert.equal((await link.ready({ signal })).ready, true);
});

test('run() keeps stdout and stderr separate and returns the exit code', async () => {
  const got = await link.run(sh('echo out; echo err >&2; exit 42'), { signal });
  assert.deepEqual(got, { exit: { code: 42 }, stdout: Buffer.from('out\n'), stderr: Buffer.from('err\n') });
});

test('run() returns a signal', async () => {
  const { exit } = await link.run(sh('kill -TERM $$'), { signal });
  assert.deepEqual(exit, { signal: 'SIGTERM', number: 15 });
});

test('run() reports why a command could not be started', async () => {
  for (const [guestCode, start] of [
    ['not_found', { argv: ['no-such-command'], user }],
    ['not_executable', { argv: ['/etc/passwd'], user }],
    ['bad_request', { argv: ['true'], user, cwd: '/no/such/folder' }],
    ['bad_request', { argv: ['true'], user: 'nobody-by-that-name' }],
  ] as const) {
    await assert.rejects(link.run(start, { signal }), {
      code: 'GUEST_FAILED',
      details: { guestCode, status: 200 },
    });
  }
});

test('arguments, environment and folder may be any bytes', async () => {
  const folder = Buffer.concat([Buffer.from(`${dir}/f`), Buffer.from([0xff, 0x0a])]);
  await mkdir(folder);
  const bytes = Buffer.from([0xff, 0x20, 0x27, 0x0a, 0xfe]);
  const start: ExecStart = {
    ...sh('printf "%s|%s|%s" "$1" "$V" "$(pwd | tail -c 4)"', byteString(bytes)),
    env: { V: byteString(bytes) },
    cwd: byteString(folder),
  };
  const { stdout } = await link.run(start, { signal });
  assert.deepEqual(stdout, Buffer.concat([bytes, Buffer.from('|'), bytes, Buffer.from([0x7c, 0x66, 0xff])]));
});

test('a command line of 900 kB works', async () => {
  const { stdout } = await link.run(
    sh('echo "$#"; echo "$*" | wc -c', ...Array(9).fill('x'.repeat(100_000))),
    {
      signal,
    },
  );
  assert.equal(stdout.toString(), '9\n900009\n');
});

test('50 MB of input arrive complete', async () => {
  const chunk = Buffer.alloc(100_000, 'payload ');
  const hash = createHash('sha256');
  for (let i = 0; i < 500; i += 1) hash.update(chunk);
  const input = Readable.from(Array(500).fill(chunk));
  const { stdout } = await link.run(sh('sha256sum'), { signal, input });
  assert.equal(stdout.toString().slice(0, 64), hash.digest('hex'));
});

test('200 MB of output arrive complete, without being held in memory', async () => {
  const { stream } = await open({ argv: ['seq', '-f', '%099.0f', '1', '2000000'], user });
  const hash = createHash('sha256');
  let bytes = 0;
  let chunks = 0;
  let mostBytes = 0;
  const floor = held();
  for await (const event of eventsOf(stream)) {
    if (event.kind !== 'stdout') continue;
    hash.update(event.chunk);
    bytes += event.chunk.length;
    chunks += 1;
    // A reader that is slower than the guest, so output must wait in the guest.
    if (chunks % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    mostBytes = Math.max(mostBytes, held() - floor);
  }
  const { stdout } = await exec(['sh', '-c', "seq -f '%099.0f' 1 2000000 | sha256sum"], { signal });
  assert.equal(bytes, 200_000_000);
  assert.equal(hash.digest('hex'), stdout.toString().slice(0, 64));
  assert.ok(mostBytes < 64 * 1024 * 1024, `${mostBytes} bytes were held`);
});

/** Buffers and strings of this process outside the heap, garbage included. */
function held(): number {
  return process.memoryUsage().arrayBuffers;
}

test('a reader that does not read blocks the command, which loses nothing', async () => {
  const session = await open(sh('seq 1 3000000; echo $? > "$1"', join(dir, 'done')));
  await new Promise((resolve) => setTimeout(resolve, 500));
  await assert.rejects(stat(join(dir, 'done')), { code: 'ENOENT' });
  const { output, last } = await session.end();
  assert.ok(output.endsWith('\n2999999\n3000000\n'));
  assert.equal(output.length, 22_888_896);
  assert.deepEqual(last, { kind: 'exit', exit: { code: 0 } });
});

test('input that the command does not read is dropped at its end', async () => {
  const input = new Readable({ read: () => void input.push(Buffer.alloc(65_536)) });
  const { exit } = await link.run(sh('sleep 0.2; exit 5'), { signal, input });
  assert.deepEqual(exit, { code: 5 });
});

test('a signal reaches a command whose input is full', async () => {
  const session = await open(sh('trap "exit 9" INT; echo ready; while :; do sleep 0.02; done'));
  await session.until('ready');
  for (let i = 0; i < 16; i += 1) {
    session.stream.write(frameHeader(FRAME.stdin, 65_536));
    session.stream.write(Buffer.alloc(65_536));
  }
  session.send(FRAME.signal, { signal: 'SIGINT' });
  assert.deepEqual((await session.end()).last, { kind: 'exit', exit: { code: 9 } });
});

test('a terminal has a size, accepts input, can be resized, and turns Ctrl-C into a signal', async () => {
  const start = sh(
    'trap "stty size" WINCH; trap "echo interrupted; exit 7" INT; stty size; while :; do sleep 0.02; done',
  );
  const session = await open({ ...start, pty: { rows: 24, cols: 80, term: 'xterm-256color' } });
  await session.until('24 80\r\n');
  session.send(FRAME.resize, { rows: 30, cols: 100 });
  await session.until('30 100\r\n');
  session.stream.write(frameHeader(FRAME.stdin, 1));
  session.stream.write('\x03');
  const { output, last } = await session.end();
  assert.match(output, /interrupted\r\n/);
  assert.deepEqual(last, { kind: 'exit', exit: { code: 7 } });
});

test('an aborted exec ends the command and its children', async () => {
  const controller = new AbortController();
  const stream = await link.exec({ signal: controller.signal });
  const session = new Session(stream, sh('sleep 1000 & echo pid $!; wait'));
  const pid = Number(/pid (\d+)/.exec(await session.until('\n'))?.[1]);
  controller.abort(new Error('enough'));
  await gone(pid);
});

test('the commands of a lost host end, and the next host connects despite leftover bytes', async () => {
  await using other = await lab.startAnother();
  const first = await other.connect();
  const session = new Session(
    await first.exec({ signal }),
    sh('trap "" HUP; sleep 1000 & echo pid $!; wait'),
  );
  const pid = Number(/pid (\d+)/.exec(await session.until('\n'))?.[1]);
  await first[Symbol.asyncDispose]();
  await gone(pid);
  // A host says hello, and is gone in the middle of a frame.
  const rude = net.connect(other.socketPath);
  rude.end(`garbage\0BANGER/1 ${'a'.repeat(32)}\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\x10\0\0half a frame`);
  await using second = await other.connect();
  assert.equal((await second.health({ signal })).generation, AGENT_GENERATION);
});

test('kept commands keep running with their open files when the link is lost, and the next host has its own commands', async () => {
  await using other = await lab.startAnother();
  const [count, ended] = [join(dir, 'count'), join(dir, 'ended')];
  const lines = async (): Promise<number> => (await readFile(count, 'utf8')).split('\n').length;
  const goesOn = async (): Promise<void> => {
    const before = await lines();
    await until(async () => (await lines()) >= before + 20);
  };
  const loop = sh(
    'exec 3>>"$1"; trap "echo $$ >> $2" HUP TERM; echo pid $$; while :; do echo >&3; echo out; sleep 0.01; done',
    count,
    ended,
  );
  const pids: number[] = [];
  const first = await other.connect();
  for (const start of [loop, { ...loop, pty: { rows: 24, cols: 80 } }]) {
    const session = new Session(await first.exec({ signal }), start);
    session.stream.on('error', () => {});
    pids.push(Number(/pid (\d+)/.exec(await session.until('out'))?.[1]));
  }
  await first.detachCommands(true, { signal });
  await first[Symbol.asyncDispose]();
  await goesOn();

  const second = await other.connect();
  const session = new Session(await second.exec({ signal }), sh('echo pid $$; sleep 1000'));
  const own = Number(/pid (\d+)/.exec(await session.until('\n'))?.[1]);
  await second[Symbol.asyncDispose]();
  await gone(own);
  await goesOn();
  await assert.rejects(stat(ended), { code: 'ENOENT' });
  for (const pid of pids) process.kill(pid, 'SIGKILL');
});

test('a link that kept its commands for a capture ends them again when the capture is over', async () => {
  await using other = await lab.startAnother();
  const host = await other.connect();
  const session = new Session(await host.exec({ signal }), sh('echo pid $$; sleep 1000'));
  const pid = Number(/pid (\d+)/.exec(await session.until('\n'))?.[1]);
  await host.detachCommands(true, { signal });
  await host.detachCommands(false, { signal });
  await host[Symbol.asyncDispose]();
  await gone(pid);
});

test('a link that is lost ends with GUEST_LOST', async () => {
  const other = await lab.startAnother();
  const lost = await other.connect();
  const run = lost.run(sh('sleep 1000'), { signal });
  const failed = assert.rejects(run, { code: 'GUEST_LOST' });
  setTimeout(() => other.process.kill('SIGKILL'), 100);
  await failed;
  await lost.closed;
  await other[Symbol.asyncDispose]();
});

test('tcp() connects to a port of the guest, and fails when nothing listens', async () => {
  const server = net.createServer({ allowHalfOpen: true }, async (socket) => {
    const question = await buffer(socket);
    socket.end(`${question.length} bytes`);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const ports = await link.ports({ signal });
  const found = ports.find((each) => each.port === port && each.proto === 'tcp');
  assert.deepEqual({ address: found?.address, pid: found?.pid }, { address: '127.0.0.1', pid: process.pid });

  const stream = await link.tcp(port, { signal });
  stream.write(Buffer.alloc(400_000));
  stream.end(Buffer.alloc(4));
  assert.equal((await buffer(stream)).toString(), '400004 bytes');
  await new Promise((resolve) => server.close(resolve));
  await assert.rejects(link.tcp(port, { signal }), { details: { guestCode: 'not_found', status: 404 } });
});

test('tcp() sends on to a port that has ended its output first', async () => {
  const got = Promise.withResolvers<Buffer>();
  const server = net.createServer({ allowHalfOpen: true }, async (socket) => {
    socket.end('that is all');
    got.resolve(await buffer(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stream = await link.tcp((server.address() as net.AddressInfo).port, { signal });
  assert.equal((await buffer(stream)).toString(), 'that is all');
  const sent = Buffer.alloc(5_000_000, 'late');
  stream.end(sent);
  assert.ok((await got.promise).equals(sent));
  if (!stream.closed) await once(stream, 'close');
  assert.equal(stream.errored, null);
  await new Promise((resolve) => server.close(resolve));
});

test('stats() returns measurements, and sync() returns', async () => {
  const stats = await link.stats({ signal });
  assert.ok(stats.cpu.count > 0 && stats.cpu.busyMs <= stats.cpu.totalMs);
  assert.ok(stats.memory.availableBytes <= stats.memory.totalBytes);
  assert.equal(stats.disks[0]?.mount, '/');
  await link.sync({ signal });
});

test('50 concurrent commands do not mix', async () => {
  const numbers = Array.from({ length: 50 }, (_, index) => index);
  const runs = await Promise.all(
    numbers.map((n) => link.run(sh(`echo ${n}; cat; exit ${n}`), { signal, input: Buffer.from(`in ${n}`) })),
  );
  for (const [n, { exit, stdout }] of runs.entries()) {
    assert.deepEqual({ exit, text: stdout.toString() }, { exit: { code: n }, text: `${n}\nin ${n}` });
  }
});

async function gone(pid: number): Promise<void> {
  assert.ok(pid > 1);
  await until(
    async () => {
      const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      return status === '' || status.includes(') Z ');
    },
    { what: `process ${pid} to end` },
  );
}

test('requests to an agent that hangs fail, and it can be reached again when it continues', async () => {
  await using hanging = await lab.startAnother();
  const endpoint = { kind: 'unix', path: hanging.socketPath } as const;
  const connector = createGuestConnector({ watchTimes: { quietMs: 200, silentMs: 400, startingMs: 400 } });
  const first = await connector.connect(endpoint, { signal, helloDeadlineMs: 20_000 });
  const running = first.run(sh('sleep 60'), { signal });
  hanging.process.kill('SIGSTOP');
  await assert.rejects(running, { code: 'GUEST_LOST' });
  await first.closed;
  hanging.process.kill('SIGCONT');
  await using again = await connector.connect(endpoint, { signal, helloDeadlineMs: 20_000 });
  assert.equal((await again.health({ signal })).ready, true);
});

test('a job runs as the user of the VM, unless it names another', async () => {
  await using agent = await lab.startAnother();
  await using own = await createGuestConnector().connect(
    { kind: 'unix', path: agent.socketPath },
    { signal, helloDeadlineMs: 20_000, vmUser: () => '4242' },
  );
  if (process.geteuid?.() !== 0) {
    return void (await assert.rejects(own.startJob({ argv: ['true'] }, { signal }), /agent is not root/));
  }
  const argv = ['sh', '-c', 'id -u'];
  for (const [start, uid] of [
    [{ argv }, '4242'],
    [{ argv, user: '0' }, '0'],
  ] as const) {
    const { id } = await own.startJob(start, { signal });
    const frames = await buffer(await own.jobOutput(id, { after: 0, isFollowed: true, signal }));
    assert.ok(frames.includes(`${uid}\n`), frames.toString('latin1'));
  }
});
