import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { DEVICES, PAGE, streamOf } from '../../../../../test/support/migration-stream.ts';
import { SOURCE_RECEIVER } from '../../../../../test/support/receiver.ts';
import { neverAborts } from '../../../../base/abort.ts';
import type { SavedGuest } from '../../../../core/ports/vmm/saving.ts';
import type { VmSpec } from '../../../../core/ports/vmm/spec.ts';
import { type GuestReceiver, receiveGuest } from './receive-guest.ts';

const signal = neverAborts();
const MIB = 2 ** 20;

let dir: string;
let to: SavedGuest;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'receive-'));
  to = { memoryPath: join(dir, 'memory'), statePath: join(dir, 'state') };
});

afterEach(async () => {
  await rm(dir, { recursive: true });
});

test('a received guest is in two files, which stay', async () => {
  {
    await using receiver = await receive();
    const socket = await connected(receiver);
    socket.end(streamOf(MIB, { last: [{ block: 'memory', index: 3, fill: 7 }] }));
    await receiver.finish({ signal });
    receiver.keep();
  }
  const expected = Buffer.alloc(MIB);
  expected.fill(7, 3 * PAGE, 4 * PAGE);
  assert.ok((await readFile(to.memoryPath)).equals(expected));
  assert.ok((await readFile(to.statePath)).includes(DEVICES));
  assert.deepEqual((await readdir(dir)).sort(), ['memory', 'state']);
});

test('a received guest that is not kept leaves nothing', async () => {
  {
    await using receiver = await receive();
    const socket = await connected(receiver);
    socket.end(streamOf(MIB, {}));
    await receiver.finish({ signal });
  }
  assert.deepEqual(await readdir(dir), []);
});

test('a guest that is received only in part leaves nothing, and the error says why', async () => {
  {
    await using receiver = await receive();
    const socket = await connected(receiver);
    socket.end(streamOf(MIB, {}).subarray(0, 60));
    await assert.rejects(receiver.finish({ signal }), { code: 'VMM_SAVE_FAILED' });
    assert.match(String(await receiver.fault({ signal })), /it ends before the device state/);
  }
  assert.deepEqual(await readdir(dir), []);
});

test('a guest that stops arriving, or never arrives, times out', async () => {
  for (const bytes of [undefined, 0, 60]) {
    const receiver = await receive();
    const socket = bytes === undefined ? undefined : await connected(receiver);
    if (bytes) socket?.write(streamOf(MIB, {}).subarray(0, bytes));
    socket?.on('error', () => {});
    const closed = new Promise((resolve) => (socket ? socket.once('close', resolve) : resolve(true)));
    socket?.resume();
    const aborted = AbortSignal.timeout(20);
    await assert.rejects(receiver.finish({ signal: aborted }), (error) => error === aborted.reason);
    await receiver[Symbol.asyncDispose]();
    await closed;
    assert.deepEqual(await readdir(dir), []);
  }
});

test('a receiver that cannot start, or is killed, is reported and leaves nothing', async () => {
  for (const [argv, message] of [
    [['/nowhere/banger-receive'], /nowhere/],
    [['sh', '-c', 'kill -KILL $$'], /status 137/],
  ] as const) {
    {
      await using receiver = await receive(argv);
      const socket = await connected(receiver);
      socket.on('error', () => {});
      await assert.rejects(receiver.finish({ signal }), { code: 'VMM_SAVE_FAILED', message });
    }
    assert.deepEqual(await readdir(dir), []);
  }
});

test('existing files are not changed', async () => {
  await using _first = await receive();
  await assert.rejects(receive(), { code: 'EEXIST' });
  assert.deepEqual((await readdir(dir)).sort(), ['memory', 'save.sock', 'state']);
});

function receive(receiver: readonly [string, ...string[]] = SOURCE_RECEIVER): Promise<GuestReceiver> {
  const spec = { runtimeDir: dir, memoryMib: 1 } as VmSpec;
  return receiveGuest({ spec, to }, { receiver, env: process.env, signal });
}

async function connected({ socketPath }: GuestReceiver): Promise<Socket> {
  const socket = connect(socketPath);
  await once(socket, 'connect');
  return socket;
}
