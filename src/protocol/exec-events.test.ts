import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../base/errors.ts';
import { type ExecEvent, ExecEventDecoder } from './exec-events.ts';
import { encodeFrame, encodeJsonFrame, FRAME } from './exec-frames.ts';

function decode(...frames: Buffer[]): ExecEvent[] {
  return new ExecEventDecoder().push(Buffer.concat(frames));
}

test('ExecEventDecoder returns every event of a command', () => {
  const events = decode(
    encodeJsonFrame(FRAME.started, { pid: 7 }),
    encodeFrame(FRAME.stdout, 'out'),
    encodeFrame(FRAME.stderr, 'err'),
    encodeFrame(FRAME.stdinAck, Buffer.from([0, 1, 0, 2])),
    encodeJsonFrame(FRAME.exit, { code: 3 }),
  );
  assert.deepEqual(events, [
    { kind: 'started', pid: 7 },
    { kind: 'stdout', chunk: Buffer.from('out') },
    { kind: 'stderr', chunk: Buffer.from('err') },
    { kind: 'stdin-ack', bytes: 65538 },
    { kind: 'exit', exit: { code: 3 } },
  ]);
});

test('ExecEventDecoder returns a signal, and why a command could not start', () => {
  assert.deepEqual(decode(encodeJsonFrame(FRAME.exit, { signal: 'SIGKILL', number: 9 })), [
    { kind: 'exit', exit: { signal: 'SIGKILL', number: 9 } },
  ]);
  assert.deepEqual(decode(encodeJsonFrame(FRAME.error, { code: 'not_found', message: 'a\u001b[2Jb' })), [
    { kind: 'error', code: 'not_found', message: 'a [2Jb' },
  ]);
});

test('isOver is true only after the last frame', () => {
  const decoder = new ExecEventDecoder();
  decoder.push(encodeJsonFrame(FRAME.started, { pid: 1 }));
  assert.equal(decoder.isOver, false);
  decoder.push(encodeJsonFrame(FRAME.exit, { code: 0 }));
  assert.equal(decoder.isOver, true);
  assert.throws(() => decoder.push(encodeFrame(FRAME.stdout, 'more')), { code: 'GUEST_PROTOCOL' });
});

test('frames that violate the protocol are GUEST_PROTOCOL', () => {
  for (const frame of [
    encodeFrame(FRAME.start, '{}'),
    encodeFrame(99),
    encodeFrame(FRAME.stdinAck, 'abc'),
    encodeFrame(FRAME.exit, '{'),
    encodeFrame(FRAME.exit, 'null'),
    encodeJsonFrame(FRAME.exit, {}),
    encodeJsonFrame(FRAME.exit, { code: 1.5 }),
    encodeJsonFrame(FRAME.exit, { signal: 9, number: 9 }),
    encodeJsonFrame(FRAME.exit, { signal: 'SIGKILL' }),
    encodeJsonFrame(FRAME.started, { pid: 'one' }),
    encodeJsonFrame(FRAME.error, { code: 'strange', message: '' }),
    encodeJsonFrame(FRAME.error, { code: 'failed' }),
  ]) {
    assert.throws(() => decode(frame), { code: 'GUEST_PROTOCOL' }, frame.toString());
  }
});

test('any bytes are either events or one of our errors', () => {
  const type = fc.constantFrom(...Object.values(FRAME));
  const payload = fc.oneof(
    fc.json().map((text) => Buffer.from(text)),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(type, payload)), (frames) => {
      try {
        decode(...frames.map(([kind, bytes]) => encodeFrame(kind, bytes)));
      } catch (error) {
        assert.ok(isAppError(error, 'GUEST_PROTOCOL'), String(error));
      }
    }),
  );
});
