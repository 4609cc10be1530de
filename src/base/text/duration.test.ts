import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../errors.ts';
import { parseDuration } from './duration.ts';

for (const [text, ms] of [
  ['0', 0],
  ['0s', 0],
  ['90', 90_000],
  ['1.5', 1_500],
  ['90s', 90_000],
  ['250ms', 250],
  ['1h30m', 5_400_000],
  ['1.5h', 5_400_000],
  ['1d2h3m4s5ms', 93_784_005],
  [' 5m ', 300_000],
  ['24d', 24 * 86_400_000],
] as const) {
  test(`${JSON.stringify(text)} is ${ms} ms`, () => {
    assert.equal(parseDuration(text, '--timeout'), ms);
  });
}

for (const text of [
  '',
  ' ',
  '-1',
  '1x',
  '1m1m',
  '1m1h',
  'm',
  '1 m',
  '1,5s',
  '.5s',
  '1e3',
  '25d',
  '99999999999',
  '1h-5m',
  'Infinity',
  '٣s',
]) {
  test(`${JSON.stringify(text)} is not a duration`, () => {
    assert.throws(() => parseDuration(text, '--timeout'), {
      code: 'DURATION_INVALID',
      message: `Cannot use "${text}" for --timeout: it is not a duration`,
      details: { field: '--timeout', value: text },
    });
  });
}

test('every text is either refused or a duration that a timer can hold', () => {
  const pieces = fc.array(fc.constantFrom('1', '30', '.', 'h', 'm', 's', 'ms', 'd', ' ', '-', 'e'));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        pieces.map((all) => all.join('')),
      ),
      (text) => {
        try {
          const ms = parseDuration(text, 'x');
          assert.ok(Number.isSafeInteger(ms) && ms >= 0 && ms < 2 ** 31);
        } catch (error) {
          assert.ok(isAppError(error, 'DURATION_INVALID'));
        }
      },
    ),
  );
});
