import { Transform } from 'node:stream';

/** Passes on at most `maxBytes`; with one byte more, the stream fails with what `tooMany` returns. */
export function limitBytes(maxBytes: number, tooMany: () => Error): Transform {
  let left = maxBytes;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      done(left < 0 ? tooMany() : null, chunk);
    },
  });
}
