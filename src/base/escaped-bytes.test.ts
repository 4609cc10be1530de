import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOfEscaped, escapedText, hasEscapes } from './escaped-bytes.ts';

test('escapedText returns UTF-8 unchanged', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const wellFormed = text.toWellFormed();
      assert.equal(escapedText(Buffer.from(wellFormed)), wellFormed);
      assert.equal(hasEscapes(wellFormed), false);
    }),
  );
});

test('escapedText loses no byte', () => {
  const pieces = fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc.string({ unit: 'binary', maxLength: 3 }).map((text) => new Uint8Array(Buffer.from(text))),
  );
  fc.assert(
    fc.property(fc.array(pieces), (parts) => {
      const bytes = Buffer.concat(parts);
      assert.deepEqual(bytesOfEscaped(escapedText(bytes)), bytes);
    }),
    {
      examples: [
        // Half of a character, a surrogate, and a code point beyond Unicode.
        [[Buffer.from([0xf0, 0x9f])]],
        [[Buffer.from([0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80])]],
        [[Buffer.from([0xf5, 0x80, 0x80, 0x80, 0xc0, 0x80])]],
        [[Buffer.from('🦊'), Buffer.from([0xff]), Buffer.from('ä')]],
      ],
    },
  );
});

test('hasEscapes finds every byte that is not UTF-8', () => {
  assert.equal(hasEscapes(escapedText(Buffer.from([0x41, 0xe4]))), true);
  assert.equal(hasEscapes('a\ufffdb 🦊'), false);
});
