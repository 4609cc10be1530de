import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CacheEntry, shareBudget } from './share-budget.ts';

const at = (day: number, diskBytes: number): CacheEntry => ({
  diskBytes,
  lastUsedAt: new Date(day * 86_400_000).toISOString(),
});

test('the least recently used go first, whatever they are', () => {
  const kinds = { templates: [at(5, 10), at(1, 10)], bases: [at(4, 10), at(2, 10)] };
  assert.deepEqual(shareBudget(kinds, 40), { templates: 20, bases: 20 });
  assert.deepEqual(shareBudget(kinds, 39), { templates: 10, bases: 20 });
  assert.deepEqual(shareBudget(kinds, 20), { templates: 10, bases: 10 });
  assert.deepEqual(shareBudget(kinds, 19), { templates: 10, bases: 0 });
  assert.deepEqual(shareBudget(kinds, 0), { templates: 0, bases: 0 });
});

test('what stays fits in the budget, and one more entry would not', () => {
  const entry = fc.record({ day: fc.integer({ min: 0, max: 50 }), bytes: fc.integer({ min: 1, max: 100 }) });
  const entries = fc.uniqueArray(entry, { selector: ({ day }) => day, maxLength: 30 });
  fc.assert(
    fc.property(entries, fc.integer({ min: 0, max: 3000 }), (all, budget) => {
      const [a, b] = [all.filter(({ day }) => day % 2), all.filter(({ day }) => day % 2 === 0)].map((part) =>
        part.map(({ day, bytes }) => at(day, bytes)),
      );
      const kept = shareBudget({ a: a ?? [], b: b ?? [] }, budget);
      const total = kept.a + kept.b;
      assert.ok(total <= budget);
      const newestFirst = all.toSorted((x, y) => y.day - x.day).map(({ bytes }) => bytes);
      let sum = 0;
      while (newestFirst.length > 0 && sum + (newestFirst[0] ?? 0) <= budget) sum += newestFirst.shift() ?? 0;
      assert.equal(total, sum);
    }),
  );
});
