import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { isBranchName } from './branch-name.ts';

function gitAllows(name: string): boolean {
  const { status } = spawnSync('git', ['check-ref-format', `refs/heads/${name}`], { cwd: '/' });
  return status === 0 && !name.startsWith('-');
}

test('isBranchName() says what git says', () => {
  for (const name of [
    'fix',
    'a/b',
    'a.b',
    'a..b',
    '.a',
    'a/.b',
    'a.lock',
    'a/',
    '/a',
    'a//b',
    'a b',
    '@',
    '-a',
  ]) {
    assert.equal(isBranchName(name), gitAllows(name), name);
  }
  assert.equal(isBranchName('HEAD'), false);
  const character = fc.constantFrom(
    'a',
    '.',
    '/',
    '@',
    '{',
    '-',
    '~',
    '^',
    ':',
    '?',
    '[',
    '*',
    '\\',
    ' ',
    '\u007f',
    'ü',
  );
  fc.assert(
    fc.property(fc.array(character, { minLength: 1, maxLength: 6 }), (characters) => {
      const name = characters.join('');
      assert.equal(isBranchName(name), gitAllows(name), name);
    }),
    { numRuns: 60 },
  );
});
