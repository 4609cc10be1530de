import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AppError, BugError } from '../../base/errors.ts';
import { exitStatusOf } from './exit-status.ts';

/** Every code of the contract. */
const CODES = [
  ...readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8').matchAll(
    /^\| `([A-Z][A-Z0-9_]+)` \|/gm,
  ),
].map(([, code = '']) => code);

/**
 * Prefixes of codes that can occur in the middle of the work; none of them may count as wrong usage.
 */
const MIDWAY =
  /^(?:DAEMON|EXEC|GUEST|HOST_NO_SPACE|INTERNAL|OUTPUT_FAILED|STORE|TEMPLATE|TOOLING|WAIT)|_(?:FAILED|LOST|PROTOCOL|TIMEOUT|UNREACHABLE)$/;

const GUEST_START = new Map([
  ['COMMAND_NOT_FOUND', 127],
  ['COMMAND_NOT_EXECUTABLE', 126],
]);

test('codes that refuse a request exit with 2; all others with 125 in commands that run a guest command, and with 1 elsewhere', () => {
  assert.ok(CODES.length > 80, `${CODES.length} codes`);
  for (const code of CODES) {
    if (code === 'OUTPUT_CLOSED') continue;
    const error = new AppError(code, 'Cannot do it');
    const elsewhere = exitStatusOf(error, { runsGuestCommand: false });
    const inRun = exitStatusOf(error, { runsGuestCommand: true });
    assert.ok(elsewhere === 1 || elsewhere === 2, code);
    assert.equal(inRun, elsewhere === 2 ? 2 : (GUEST_START.get(code) ?? 125), code);
    if (MIDWAY.test(code)) assert.equal(elsewhere, 1, `${code} can occur in the middle`);
    if (code.startsWith('USAGE_')) assert.equal(elsewhere, 2, code);
  }
});

test('errors without a code (a full disk, a bug, a failed cleanup) exit with 125 in commands that run a guest command', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const errors = [
    full,
    new BugError('oh'),
    new TypeError('x is not a function'),
    'text',
    undefined,
    new AppError('HOST_NO_SPACE', 'Cannot write', { cause: full }),
    new SuppressedError(new AppError('USAGE_OPTIONS', 'cleanup'), full),
  ];
  for (const error of errors) {
    assert.equal(exitStatusOf(error, { runsGuestCommand: true }), 125, String(error));
    assert.equal(exitStatusOf(error, { runsGuestCommand: false }), 1, String(error));
  }
});
