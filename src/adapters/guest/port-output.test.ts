import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../base/errors.ts';
import { PortOutput } from './port-output.ts';

function chunk(content: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(content.length);
  return Buffer.concat([header, content]);
}

/** Reads `bytes` in parts that end at `cuts`. */
function read(bytes: Buffer, cuts: readonly number[]): { content: Buffer; hasEnded: boolean } {
  const output = new PortOutput('test');
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const pieces: Buffer[] = [];
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    pieces.push(Buffer.from(output.read(Buffer.from(bytes.subarray(from, end)))));
    from = end;
  }
  return { content: Buffer.concat(pieces), hasEnded: output.hasEnded };
}

test('however chunks are cut, their content is read, and their end', () => {
  const contents = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 20 });
  fc.assert(
    fc.property(contents, fc.array(fc.nat()), fc.boolean(), (all, cuts, isWhole) => {
      const bytes = Buffer.concat([...all.map(chunk), ...(isWhole ? [chunk(Buffer.alloc(0))] : [])]);
      const { content, hasEnded } = read(bytes, cuts);
      assert.ok(content.equals(Buffer.concat(all)));
      assert.equal(hasEnded, isWhole);
    }),
  );
});

test('any bytes are read as chunks or refused as a broken protocol', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat()), (bytes, cuts) => {
      try {
        assert.ok(read(Buffer.from(bytes), cuts).content.length <= bytes.length);
      } catch (error) {
        assert.ok(isAppError(error, 'GUEST_PROTOCOL'), String(error));
      }
    }),
  );
});

test('bytes after the end, and a chunk of gigabytes, are refused', () => {
  const output = new PortOutput('test');
  output.read(chunk(Buffer.alloc(0)));
  assert.throws(() => output.read(Buffer.from('x')), { code: 'GUEST_PROTOCOL' });
  assert.throws(() => new PortOutput('test').read(Buffer.from('ffffffff', 'hex')), {
    code: 'GUEST_PROTOCOL',
  });
});
