import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../base/errors.ts';
import {
  encodeFrame,
  encodeJsonFrame,
  FRAME,
  FRAME_HEADER_BYTES,
  type Frame,
  FrameDecoder,
  frameHeader,
  MAX_FRAME_PAYLOAD_BYTES,
} from './exec-frames.ts';

const DATA: readonly number[] = [FRAME.stdin, FRAME.stdout, FRAME.stderr];

/** Splits `stream` at `cuts`, which may repeat and be in any order. */
function chunksOf(stream: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  return at.slice(1).map((end, index) => stream.subarray(at[index], end));
}

/** Joins consecutive data frames of one type. */
function joined(frames: readonly Frame[]): { type: number; payload: string }[] {
  const all: { type: number; payload: string }[] = [];
  for (const { type, payload } of frames) {
    const last = all.at(-1);
    if (last?.type === type && DATA.includes(type)) last.payload += payload.toString('hex');
    else if (payload.length > 0 || !DATA.includes(type)) all.push({ type, payload: payload.toString('hex') });
  }
  return all;
}

test('FrameDecoder returns the encoded frames, however the stream is split', () => {
  const frame = fc.record({
    type: fc.constantFrom(...Object.values(FRAME)),
    payload: fc.uint8Array({ maxLength: 60 }),
  });
  fc.assert(
    fc.property(fc.array(frame), fc.array(fc.nat(2000)), (frames, cuts) => {
      const stream = Buffer.concat(frames.map(({ type, payload }) => encodeFrame(type, payload)));
      const decoder = new FrameDecoder();
      const decoded = chunksOf(stream, cuts).flatMap((chunk) => decoder.push(chunk));
      const wanted = frames.map(({ type, payload }) => ({ type, payload: Buffer.from(payload) }));
      assert.deepEqual(joined(decoded), joined(wanted));
      assert.equal(decoder.isAtBoundary, true);
    }),
  );
});

test('FrameDecoder accepts any bytes except too long frames, and never returns more than its input', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (chunks) => {
      const decoder = new FrameDecoder();
      let given = 0;
      let taken = 0;
      try {
        for (const chunk of chunks) {
          given += chunk.length;
          for (const { payload } of decoder.push(Buffer.from(chunk))) taken += payload.length;
        }
      } catch (error) {
        assert.ok(isAppError(error, 'EXEC_FRAME_TOO_LONG'), String(error));
      }
      assert.ok(taken <= given);
    }),
  );
});

test('output is not copied, and is returned before its frame is complete', () => {
  const chunk = encodeFrame(FRAME.stdout, 'hello').subarray(0, FRAME_HEADER_BYTES + 3);
  const [frame] = new FrameDecoder().push(chunk);
  assert.equal(frame?.payload.toString(), 'hel');
  assert.equal(frame?.payload.buffer, chunk.buffer);
});

test('a control frame is returned complete, whatever its length', () => {
  const decoder = new FrameDecoder();
  const stream = encodeFrame(FRAME.start, Buffer.alloc(MAX_FRAME_PAYLOAD_BYTES, 'x'));
  const frames = chunksOf(stream, [1, 4, 5, 6, 70_000]).flatMap((chunk) => decoder.push(chunk));
  assert.equal(frames.length, 1);
  assert.equal(frames[0]?.payload.length, MAX_FRAME_PAYLOAD_BYTES);
});

test('isAtBoundary is false inside a header and a payload', () => {
  const stream = encodeFrame(FRAME.stdout, 'abc');
  for (let cut = 1; cut < stream.length; cut += 1) {
    const decoder = new FrameDecoder();
    decoder.push(stream.subarray(0, cut));
    assert.equal(decoder.isAtBoundary, false, `cut at ${cut}`);
  }
});

test('a payload beyond 1 MiB is refused on both sides', () => {
  const tooLong = { code: 'EXEC_FRAME_TOO_LONG' };
  assert.throws(() => frameHeader(FRAME.stdin, MAX_FRAME_PAYLOAD_BYTES + 1), tooLong);
  assert.throws(() => encodeJsonFrame(FRAME.start, { argv: ['x'.repeat(MAX_FRAME_PAYLOAD_BYTES)] }), tooLong);
  assert.throws(() => new FrameDecoder().push(Buffer.from([17, 0, 0x10, 0, 1])), tooLong);
});
