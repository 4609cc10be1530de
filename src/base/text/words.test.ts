import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatTime, plural } from './words.ts';

test('formatTime() rounds a duration for people', () => {
  const cases: [number, string][] = [
    [0, '0 s'],
    [50, '0.05 s'],
    [1_234, '1.2 s'],
    [4_500, '4.5 s'],
    [9_949, '9.9 s'],
    [9_990, '10 s'],
    [14_999.8126, '15 s'],
    [20_000, '20 s'],
    [119_000, '119 s'],
    [119_900, '2 min'],
    [300_000, '5 min'],
    [7_190_000, '2 h'],
    [10_800_000, '3 h'],
    [-3_000, '3 s'],
  ];
  for (const [ms, text] of cases) assert.equal(formatTime(ms), text, String(ms));
});

test('formatTime() prints numbers of at most three characters for every duration that a deadline has', () => {
  fc.assert(
    fc.property(fc.double({ min: 1, max: 86_400_000, noNaN: true }), (ms) => {
      assert.match(formatTime(ms), /^(?:[0-9]{1,3}|[0-9]\.[0-9]|0\.[0-9]{1,4}) (?:s|min|h)$/);
    }),
  );
});

test('plural() uses the singular for one thing and the plural for every other count', () => {
  assert.equal(plural(1, 'file'), '1 file');
  assert.equal(plural(0, 'file'), '0 files');
  assert.equal(plural(1, 'entry', 'entries'), '1 entry');
  assert.equal(plural(2, 'entry', 'entries'), '2 entries');
});
