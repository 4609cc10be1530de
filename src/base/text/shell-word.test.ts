import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { neverAborts } from '../abort.ts';
import { exec } from '../process/exec.ts';
import { shellWord } from './shell-word.ts';

test('a shell reads exactly the words that were quoted', async () => {
  const unit = fc.constantFrom(
    'a',
    ' ',
    "'",
    '"',
    '$',
    '`',
    '\\',
    '%',
    ';',
    '\n',
    '*',
    '~',
    '=',
    '&',
    '#',
    'ü',
  );
  const words = fc.array(fc.string({ unit, maxLength: 6 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(words, async (given) => {
      const line = `printf '%s\\0' ${given.map(shellWord).join(' ')}`;
      const { stdout } = await exec(['sh', '-c', line], { signal: neverAborts() });
      assert.deepEqual(stdout.toString().split('\0').slice(0, -1), given);
    }),
    { numRuns: 40, examples: [[['', "'", "''"]], [['-n', '~', 'a=b']]] },
  );
});

test('a plain word is not quoted', () => {
  assert.equal(shellWord('/usr/bin/make'), '/usr/bin/make');
});
