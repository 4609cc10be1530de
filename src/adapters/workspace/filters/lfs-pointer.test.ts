import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseLfsPointer } from './lfs-pointer.ts';

const sha256 = '4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393';
const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize 12345\n`;

test('parseLfsPointer() parses the pointers that git-lfs writes', () => {
  assert.deepEqual(parseLfsPointer(Buffer.from(pointer)), { sha256, size: 12345 });
});

for (const [what, text] of [
  ['another version', pointer.replace('v1', 'v2')],
  ['an extension', pointer.replace('oid', 'ext-0-foo sha256:1\noid')],
  ['another hash', pointer.replace('sha256', 'sha512')],
  ['more text', `${pointer}more\n`],
  ['no size', pointer.replace(/size.*\n/, '')],
  ['a file that only begins so', `${pointer}${'x'.repeat(2000)}`],
] as const) {
  test(`parseLfsPointer() takes ${what} for an ordinary file`, () => {
    assert.equal(parseLfsPointer(Buffer.from(text)), undefined);
  });
}

test('parseLfsPointer() takes anything', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      assert.equal(parseLfsPointer(Buffer.from(bytes)), undefined);
    }),
  );
});
