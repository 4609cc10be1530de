import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { byteString } from './guest.ts';

test('byteString is text for UTF-8, and base64 for all other bytes', () => {
  assert.equal(byteString(Buffer.from('häß 🦊')), 'häß 🦊');
  assert.equal(byteString(Buffer.from('\ufeffbom')), '\ufeffbom');
  assert.deepEqual(byteString(Buffer.from([0xff, 0x41])), { b64: '/0E=' });
});

test('byteString loses no byte', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const value = byteString(bytes);
      const back = typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.b64, 'base64');
      assert.deepEqual(back, Buffer.from(bytes));
    }),
  );
});
