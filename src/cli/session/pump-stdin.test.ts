import assert from 'node:assert/strict';
import { PassThrough, Readable } from 'node:stream';
import { describe, test } from 'node:test';
import type { InputStream } from '../context/io.ts';
import { pumpStdin } from './pump-stdin.ts';

/** Handles each piece slowly, and stores it; fails if the end arrives while a piece is being handled. */
function slowTarget() {
  const taken: string[] = [];
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let underWay = 0;
  let most = 0;
  return {
    taken,
    ended,
    most: () => most,
    async write(bytes: Uint8Array): Promise<void> {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setTimeout(resolve, 1));
      taken.push(Buffer.from(bytes).toString());
      underWay -= 1;
    },
    end(): void {
      assert.equal(underWay, 0, 'the end came before the last piece was consumed');
      end();
    },
  };
}

describe('pumpStdin()', () => {
  test('passes everything on in order, one piece at a time, and then the end', async () => {
    const pieces = Array.from({ length: 40 }, (_, i) => `piece ${i};`);
    const target = slowTarget();
    using _pump = pumpStdin(Readable.from(pieces) as InputStream, { target });
    await target.ended;
    assert.equal(target.taken.join(''), pieces.join(''));
    assert.equal(target.most(), 1);
  });

  test('treats a stdin that fails as one that has ended', async () => {
    const target = slowTarget();
    const stdin = new PassThrough();
    using _pump = pumpStdin(stdin, { target });
    stdin.destroy(Object.assign(new Error('EISDIR'), { code: 'EISDIR' }));
    await target.ended;
  });

  test('stops reading after its disposal, and leaves no listener', () => {
    const target = slowTarget();
    const stdin = new PassThrough();
    const pump = pumpStdin(stdin, { target });
    pump[Symbol.dispose]();
    stdin.write('late');
    assert.equal(stdin.isPaused(), true);
    assert.equal(stdin.listenerCount('data'), 0);
    assert.equal(stdin.listenerCount('end'), 0);
    assert.deepEqual(target.taken, []);
  });

  test('ignores a target that is gone', async () => {
    const stdin = new PassThrough();
    using _pump = pumpStdin(stdin, {
      target: { write: () => Promise.reject(new Error('gone')), end: () => {} },
    });
    stdin.end('x');
    await new Promise((resolve) => setTimeout(resolve, 5));
  });
});
