import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { until } from '../../support/until.ts';
import { buildTestGuest } from './test-guest.ts';

let dir: string;
let guest: ChildProcess;
let printed = '';
let socket: Socket;
let answers: AsyncIterator<string>;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'tg-'));
  const path = await buildTestGuest(dir, { signal: AbortSignal.timeout(120_000) });
  guest = spawn(path, ['--socket', join(dir, 's')], { stdio: ['ignore', 'pipe', 'inherit'] });
  guest.stdout?.on('data', (chunk: Buffer) => {
    printed += chunk.toString();
  });
  await once(guest.stdout as NonNullable<typeof guest.stdout>, 'data');
  socket = connect(join(dir, 's'));
  answers = createInterface({ input: socket })[Symbol.asyncIterator]();
});

after(async () => {
  socket.destroy();
  guest.kill('SIGKILL');
  await rm(dir, { recursive: true });
});

const say = async (...lines: string[]): Promise<string[]> => {
  socket.write(lines.map((line) => `${line}\n`).join(''));
  const heard: string[] = [];
  for (const _line of lines) heard.push((await answers.next()).value as string);
  return heard;
};

test('a repeated request is executed once, and answered each time', async () => {
  assert.deepEqual(await say('t1 print once', 't1 print once', 't1 print once'), [
    't1 ok ',
    't1 ok ',
    't1 ok ',
  ]);
  assert.deepEqual(await say('t2 print twice', 't3 print twice'), ['t2 ok ', 't3 ok ']);
  assert.deepEqual(await say('t4 churn', 't4 churn', 't4 churn'), ['t4 ok ', 't4 ok ', 't4 ok ']);
  const [settled] = await say('t5 settle');
  assert.match(settled ?? '', /^t5 ok whole after \d+ rounds$/);
  assert.deepEqual(
    await say('t6 nonsense', 't6 nonsense'),
    Array(2).fill('t6 error unknown request "nonsense"'),
  );
  await until(() => printed.endsWith('twice\ntwice\n'));
  assert.equal(printed, 'testguest is up\nonce\ntwice\ntwice\n');
});
