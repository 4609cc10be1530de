import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../errors.ts';
import { formatSize, parseSize } from './size.ts';

for (const [text, bytes] of [
  ['8G', 8 * 2 ** 30],
  ['8g', 8 * 2 ** 30],
  ['512M', 512 * 2 ** 20],
  ['4GiB', 4 * 2 ** 30],
  ['4GB', 4 * 2 ** 30],
  ['100KiB', 100 * 2 ** 10],
  ['1T', 2 ** 40],
  ['2048', 2048 * 2 ** 20],
  [' 1G ', 2 ** 30],
] as const) {
  test(`"${text}" is ${bytes} bytes`, () => assert.equal(parseSize(text, 'x'), bytes));
}

for (const text of [
  '',
  '0',
  '0G',
  '-1G',
  '1.5G',
  '1e3',
  'G',
  '8 G',
  '8P',
  '8Gib ',
  '9999999T',
  '0x10',
  '１G',
]) {
  test(`"${text}" ${text === '8Gib ' ? 'is a size in any case' : 'is not a size'}`, () => {
    if (text === '8Gib ') assert.equal(parseSize(text, 'x'), 8 * 2 ** 30);
    else assert.throws(() => parseSize(text, 'x'), { code: 'SIZE_INVALID', message: /for x/ });
  });
}

test('any text is either a positive whole number of bytes or SIZE_INVALID', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{1,13}[KMGTkmgt]?i?B?$/)), (text) => {
      try {
        const bytes = parseSize(text, 'x');
        assert.ok(Number.isSafeInteger(bytes) && bytes > 0);
      } catch (error) {
        assert.ok(isAppError(error, 'SIZE_INVALID'), String(error));
      }
    }),
  );
});

test('the text of formatSize() for whole units is parsed as the same size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1023 }), fc.constantFrom(10, 20, 30, 40), (count, power) => {
      const bytes = count * 2 ** power;
      assert.equal(parseSize(formatSize(bytes), 'x'), bytes);
    }),
  );
  assert.deepEqual([formatSize(0), formatSize(1.3 * 2 ** 30), formatSize(-5)], ['0B', '1.3G', '-5B']);
});
