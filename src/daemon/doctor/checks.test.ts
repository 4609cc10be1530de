import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ClockFacts, clockFinding } from './host/check-clock.ts';
import { parseLimits } from './host/check-limits.ts';
import { isAtLeast } from './tools/program-version.ts';

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max file size             4096                 unlimited            bytes
Max processes             31204                31204                processes
Max open files            1024                 1048576              files
Max nice priority         0                    0
`;

test('parseLimits() returns soft limits by name, without unlimited ones', () => {
  assert.deepEqual(
    [...parseLimits(LIMITS)],
    [
      ['Max file size', 4096],
      ['Max processes', 31204],
      ['Max open files', 1024],
      ['Max nice priority', 0],
    ],
  );
});

test('isAtLeast() compares versions number by number', () => {
  for (const [version, least, expected] of [
    ['2.31', '2.31', true],
    ['2.31.1', '2.31', true],
    ['2.4', '2.31', false],
    ['10.0', '9.9', true],
    ['1.43', '1.43.1', false],
    ['2', '2.0', true],
    ['9.2p1', '9.2', true],
  ] as const) {
    assert.equal(isAtLeast(version, least), expected, `${version} ${least}`);
  }
});

test('clockFinding() fails a clock that is behind a known date, and warns of one that was set', () => {
  const at = Date.parse('2026-06-01T00:00:00Z');
  const good: ClockFacts = { nowMs: at, expectedMs: at, builtMs: Number.NaN, changedMs: 0 };
  const statusOf = (facts: Partial<ClockFacts>): string => clockFinding({ ...good, ...facts }).status;
  assert.equal(statusOf({}), 'pass');
  assert.equal(statusOf({ builtMs: at - 1, changedMs: at - 1 }), 'pass');
  assert.equal(statusOf({ builtMs: at + 60_000 }), 'fail');
  assert.equal(statusOf({ changedMs: at + 60_000 }), 'fail');
  assert.equal(statusOf({ expectedMs: at - 60_000 }), 'warn');
  assert.equal(statusOf({ expectedMs: at + 60_000 }), 'warn');
  assert.equal(statusOf({ expectedMs: at + 1_000, changedMs: at + 5_000 }), 'pass');
});
