import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { axisOf, cellsOf, MAX_CELLS, variablesOf, wordsOf } from './cells.ts';
import { jobCountOf } from './job-count.ts';

const key = fc.stringMatching(/^[A-Za-z_][A-Za-z0-9_]{0,8}$/).filter((one) => !one.startsWith('BANGER_'));
const value = fc.string({ minLength: 1, maxLength: 5 }).map((text) => text.replaceAll(',', ';'));
const axis = fc.record(
  { key, values: fc.uniqueArray(value, { minLength: 1, maxLength: 4 }) },
  { noNullPrototype: true },
);
const axes = fc.uniqueArray(axis, { minLength: 1, maxLength: 3, selector: (one) => one.key });

test('an axis is read back as it was given', () => {
  fc.assert(
    fc.property(axis, (one) => {
      assert.deepEqual(axisOf(`${one.key}=${one.values.join(',')}`), one);
    }),
  );
});

test('whatever is given as an axis is read or refused as wrong usage', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      try {
        const { key: found, values } = axisOf(text);
        assert.equal(`${found}=${values.join(',')}`, text);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'USAGE_OPTION_VALUE');
      }
    }),
  );
});

test('each combination occurs once, in order, and its command sees all of its values', () => {
  fc.assert(
    fc.property(axes, (given) => {
      const cells = cellsOf(given);
      const count = given.reduce((product, { values }) => product * values.length, 1);
      assert.equal(cells.length, count);
      assert.equal(new Set(cells.map(({ values }) => JSON.stringify(values))).size, count);
      for (const [at, cell] of cells.entries()) {
        assert.equal(variablesOf(cell)['BANGER_MATRIX_INDEX'], String(at));
        const words = given.map(({ key: name }) => `<{${name}}>`);
        assert.deepEqual(
          wordsOf(words, cell),
          given.map(({ key: name }) => `<${cell.values[name]}>`),
        );
      }
    }),
  );
});

test('words keep braces that name no variable, and values are not replaced again', () => {
  const [cell] = cellsOf([
    { key: 'a', values: ['{b}'] },
    { key: 'b', values: ['2'] },
  ]);
  assert.ok(cell);
  assert.deepEqual(wordsOf(['{a}{b}', '$c', '{}', '{constructor}'], cell), [
    '{b}2',
    '$c',
    '{}',
    '{constructor}',
  ]);
});

test('too many combinations are refused, without making them', () => {
  const wide = (name: string) => ({ key: name, values: Array.from({ length: 1000 }, (_, at) => String(at)) });
  assert.equal(
    cellsOf([{ key: 'a', values: Array.from({ length: MAX_CELLS }, (_, at) => `${at}`) }]).length,
    MAX_CELLS,
  );
  assert.throws(() => cellsOf(['a', 'b', 'c', 'd'].map(wide)), { code: 'USAGE_OPTIONS' });
});

test('as many run at a time as processors and free memory have room for', () => {
  const host = { cpuCount: 8, freeMib: 16_384, vcpuCount: 2, memoryMib: 2_048 };
  assert.equal(jobCountOf(host), 4);
  assert.equal(jobCountOf({ ...host, freeMib: 6_000 }), 2);
  assert.equal(jobCountOf({ ...host, cpuCount: 1, freeMib: 0 }), 1);
});
