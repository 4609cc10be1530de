import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseCommit, stepsLeft, verdictOf } from './choose-commit.ts';

/** What `git rev-list --bisect-all` says of a linear history: those between, by how well they halve it. */
function bisectAll(good: number, bad: number): string[] {
  const ids = Array.from({ length: bad - good }, (_, at) => good + 1 + at);
  const distance = (id: number): number => Math.min(id - good, bad - id);
  return ids.toSorted((a, b) => distance(b) - distance(a)).map(String);
}

/** Bisects commits 0 (good) to `count` (bad) with real choices. Returns the end, and what was tested. */
function bisect(count: number, firstBad: number, untestable: ReadonlySet<number>) {
  let good = 0;
  let bad = count;
  const skipped = new Set<string>();
  const tested: string[] = [];
  for (;;) {
    const choice = chooseCommit(bisectAll(good, bad), { bad: String(bad), skipped });
    if (choice.kind !== 'test') return { choice, tested };
    assert.ok(!tested.includes(choice.id), `${choice.id} is tested twice`);
    tested.push(choice.id);
    const id = Number(choice.id);
    if (untestable.has(id)) skipped.add(choice.id);
    else if (id >= firstBad) bad = id;
    else good = id;
  }
}

const history = fc
  .integer({ min: 1, max: 300 })
  .chain((count) => fc.record({ count: fc.constant(count), firstBad: fc.integer({ min: 1, max: count }) }));

test('the first bad commit of any linear history is found, in as many steps as halving takes', () => {
  fc.assert(
    fc.property(history, ({ count, firstBad }) => {
      const { choice, tested } = bisect(count, firstBad, new Set());
      assert.deepEqual(choice, { kind: 'found', id: String(firstBad) });
      assert.ok(tested.length <= Math.ceil(Math.log2(count)), `${tested.length} steps for ${count}`);
    }),
    { numRuns: 1_000 },
  );
});

test('with commits that cannot be tested, it is found, or named among those that the skips leave', () => {
  const skips = fc.uniqueArray(fc.integer({ min: 1, max: 299 }));
  fc.assert(
    fc.property(history, skips, ({ count, firstBad }, list) => {
      const untestable = new Set(list.filter((id) => id < count));
      const { choice } = bisect(count, firstBad, untestable);
      if (choice.kind === 'found') {
        assert.equal(choice.id, String(firstBad));
        return;
      }
      assert.equal(choice.kind, 'unclear');
      const ids = choice.kind === 'unclear' ? choice.ids : [];
      assert.ok(ids.includes(String(firstBad)), `${firstBad} is not among ${ids}`);
      // All but the newest were skipped: no further test would have narrowed it down.
      assert.ok(ids.slice(0, -1).every((id) => untestable.has(Number(id))));
    }),
    { numRuns: 1_000 },
  );
});

test('statuses mean what they mean to git bisect run', () => {
  const verdicts = [0, 1, 124, 125, 126, 127, 128, 137, 255].map(verdictOf);
  assert.deepEqual(verdicts, ['good', 'bad', 'bad', 'skipped', 'bad', 'bad', 'stop', 'stop', 'stop']);
  assert.deepEqual([0, 1, 7, 8].map(stepsLeft), [0, 1, 3, 4]);
});
