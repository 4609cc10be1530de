import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame, encodeJsonFrame, FRAME } from '../exec-frames.ts';
import { JobOutputDecoder } from './job-output.ts';

const position = (at: unknown, dropped: unknown): Buffer => encodeJsonFrame(FRAME.position, { at, dropped });

describe('JobOutputDecoder', () => {
  test('counts the cursor over any output and gaps, however the stream is split', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom('stdout' as const, 'stderr' as const), bytes: fc.uint8Array() }),
      fc.record({ kind: fc.constant('gap' as const), size: fc.nat(2 ** 40) }),
    );
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.array(step), fc.array(fc.nat()), (after, steps, cuts) => {
        const frames = [position(after, 0)];
        const expected = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
        let [at, dropped] = [after, 0];
        for (const one of steps) {
          if (one.kind === 'gap') {
            at += one.size;
            dropped += one.size;
            frames.push(position(at, one.size));
          } else {
            at += one.bytes.length;
            frames.push(encodeFrame(FRAME[one.kind], one.bytes));
            expected[one.kind] = Buffer.concat([expected[one.kind], one.bytes]);
          }
        }
        const stream = Buffer.concat([...frames, encodeJsonFrame(FRAME.exit, { code: 3 })]);
        const ends = [...cuts.map((cut) => cut % stream.length).sort((a, b) => a - b), stream.length];
        const decoder = new JobOutputDecoder(after);
        const got = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
        let [start, lost] = [0, 0];
        for (const end of ends) {
          for (const event of decoder.push(stream.subarray(start, end))) {
            if (event.kind === 'position') lost += event.droppedBytes;
            if (event.kind === 'stdout' || event.kind === 'stderr') {
              got[event.kind] = Buffer.concat([got[event.kind], event.chunk]);
              assert.equal(event.cursor, after + lost + got.stdout.length + got.stderr.length);
            }
          }
          start = end;
        }
        assert.deepEqual([got, lost, decoder.cursor, decoder.isOver], [expected, dropped, at, true]);
      }),
    );
  });

  test('refuses what breaks the protocol', () => {
    const output = encodeFrame(FRAME.stdout, 'x');
    const pause = encodeJsonFrame(FRAME.pause, {});
    for (const [what, frames] of [
      ['output before a position', [output]],
      ['an end before a position', [pause]],
      ['a position that goes back', [position(5, 0), position(4, -1)]],
      ['a position that skips bytes', [position(6, 0)]],
      ['a position that counts too many', [position(5, 1)]],
      ['a position that is no number', [position('5', 0)]],
      ['a position beyond all numbers', [position(2 ** 60, 2 ** 60 - 5)]],
      ['a position without fields', [encodeJsonFrame(FRAME.position, null)]],
      ['damaged JSON', [encodeFrame(FRAME.position, '{')]],
      ['a frame of a command', [position(5, 0), encodeJsonFrame(FRAME.started, { pid: 1 })]],
      ['a frame after the end', [position(5, 0), pause, output]],
      ['an unknown frame', [position(5, 0), encodeFrame(99)]],
    ] as const) {
      const decoder = new JobOutputDecoder(5);
      assert.throws(() => decoder.push(Buffer.concat(frames)), { code: 'GUEST_PROTOCOL' }, what);
    }
  });

  test('never throws anything else, whatever a guest sends', () => {
    const frame = fc
      .tuple(fc.constantFrom(16, 17, 18, 19, 20, 21, 22, 23, 24), fc.json())
      .map(([type, payload]) => encodeFrame(type, payload));
    fc.assert(
      fc.property(fc.array(fc.oneof(frame, fc.uint8Array().map(Buffer.from))), (parts) => {
        try {
          new JobOutputDecoder(0).push(Buffer.concat([position(0, 0), ...parts]));
        } catch (error) {
          const { code } = error as { code: string };
          assert.ok(['GUEST_PROTOCOL', 'EXEC_FRAME_TOO_LONG', 'GUEST_FAILED'].includes(code), String(error));
        }
      }),
    );
  });
});
