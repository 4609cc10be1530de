import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { FRAME, FrameDecoder } from './exec-frames.ts';
import { ExecStdin, STDIN_WINDOW_BYTES } from './exec-stdin.ts';

/** What was written to `stream` so far: the input, and whether its end was sent. */
function sent(stream: PassThrough): { input: Buffer; isEnded: boolean } {
  const frames = new FrameDecoder().push(stream.read() ?? Buffer.alloc(0));
  return {
    input: Buffer.concat(frames.filter(({ type }) => type === FRAME.stdin).map(({ payload }) => payload)),
    isEnded: frames.some(({ type }) => type === FRAME.stdinEnd),
  };
}

function newStream(): PassThrough {
  return new PassThrough({ highWaterMark: 16 * STDIN_WINDOW_BYTES });
}

test('ExecStdin sends input and its end as frames', async () => {
  const stream = newStream();
  const stdin = new ExecStdin(stream);
  await stdin.write(Buffer.from('one '));
  await stdin.write(Buffer.from('two'));
  stdin.end();
  const { input, isEnded } = sent(stream);
  assert.equal(input.toString(), 'one two');
  assert.equal(isEnded, true);
});

test('ExecStdin sends at most its window, and continues with each acknowledgement', async () => {
  const stream = newStream();
  const stdin = new ExecStdin(stream);
  const whole = Buffer.alloc(STDIN_WINDOW_BYTES + 300_000);
  whole.forEach((_, index) => {
    whole[index] = index % 251;
  });
  const writing = stdin.write(whole);
  assert.equal(await isSettled(writing), false);
  const first = sent(stream).input;
  assert.equal(first.length, STDIN_WINDOW_BYTES);
  stdin.acknowledge(100_000);
  assert.equal(await isSettled(writing), false);
  stdin.acknowledge(200_000);
  await writing;
  assert.deepEqual(Buffer.concat([first, sent(stream).input]), whole);
});

test('acknowledgements of more than was sent do not widen the window', async () => {
  const stream = newStream();
  const stdin = new ExecStdin(stream);
  stdin.acknowledge(0xffffffff);
  const writing = stdin.write(Buffer.alloc(2 * STDIN_WINDOW_BYTES));
  assert.equal(await isSettled(writing), false);
  assert.equal(sent(stream).input.length, STDIN_WINDOW_BYTES);
  stdin.close();
  await writing;
});

test('after close, a waiting write returns, and later writes send nothing', async () => {
  const stream = newStream();
  const stdin = new ExecStdin(stream);
  const writing = stdin.write(Buffer.alloc(STDIN_WINDOW_BYTES + 1));
  stdin.close();
  await writing;
  await stdin.write(Buffer.from('more'));
  stdin.end();
  const { input, isEnded } = sent(stream);
  assert.equal(input.length, STDIN_WINDOW_BYTES);
  assert.equal(isEnded, false);
});

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const turn = new Promise((resolve) => setImmediate(resolve, 'turn'));
  return (await Promise.race([promise.then(() => 'settled'), turn])) === 'settled';
}
