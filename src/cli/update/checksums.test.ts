import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../base/errors.ts';
import { parseSums, sumOf } from './checksums.ts';

const HASH = 'ab'.repeat(32);

describe('parseSums()', () => {
  test('reads the lines of sha256sum and of BSD, comments and empty lines', () => {
    const text = `# made by\n\n${HASH.toUpperCase()}  a b\n${HASH} *c\nSHA256 (d) = ${HASH}\r\n`;
    assert.deepEqual(
      [...parseSums(text)],
      [
        ['a b', HASH],
        ['c', HASH],
        ['d', HASH],
      ],
    );
  });

  for (const [what, text] of [
    ['a short hash', 'abcd  a'],
    ['no name', `${HASH}  `],
    ['one blank', `${HASH} a`],
    ['another hash', `MD5 (a) = ${HASH}`],
    ['a file twice', `${HASH}  a\nSHA256 (a) = ${HASH}`],
  ]) {
    test(`refuses ${what}, with the line`, () => {
      assert.throws(() => parseSums(`# x\n${text}`), /line [23] has/);
    });
  }

  test('reads any text, or refuses it with UPDATE_SUMS_INVALID', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        try {
          for (const hash of parseSums(text).values()) assert.match(hash, /^[0-9a-f]{64}$/);
        } catch (error) {
          assert.ok(isAppError(error, 'UPDATE_SUMS_INVALID'));
        }
      }),
    );
  });

  test('a file that is not listed has no hash', () => {
    assert.throws(() => sumOf(new Map(), 'a'), /does not name a/);
  });
});
