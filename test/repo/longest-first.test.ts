import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LONG_FILES, longestFirst } from '../../scripts/test/longest-first.ts';

const ROOT = join(import.meta.dirname, '..', '..');

test('the files that take longest run first, and all others by name', () => {
  const [longest = '', second = ''] = LONG_FILES;
  assert.deepEqual(longestFirst(['b.test.ts', second, 'a.test.ts', longest]), [
    longest,
    second,
    'a.test.ts',
    'b.test.ts',
  ]);
});

test('each file that takes long exists, and is listed once', () => {
  assert.deepEqual(
    LONG_FILES.filter((file) => !existsSync(join(ROOT, file))),
    [],
  );
  assert.equal(new Set(LONG_FILES).size, LONG_FILES.length);
});
