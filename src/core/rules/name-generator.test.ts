import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkVmName } from '../../protocol/vm-name.ts';
import { generateVmName } from './name-generator.ts';

test('names are valid for all random numbers', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), { minLength: 1 }),
      (draws) => {
        let at = 0;
        checkVmName(
          generateVmName(
            () => false,
            () => draws[at++ % draws.length] ?? 0,
          ),
        );
      },
    ),
  );
});

test('a name is never taken already, and gets a number when the plain names are', () => {
  const taken = new Set<string>();
  for (let count = 0; count < 3_000; count += 1) {
    const name = generateVmName((one) => taken.has(one));
    assert.ok(!taken.has(name));
    checkVmName(name);
    taken.add(name);
  }
  const numbered = generateVmName((name) => !/[0-9]$/.test(name));
  assert.match(numbered, /^[a-z]+-[a-z]+-[0-9]+$/);
  checkVmName(numbered);
});
