import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkSequences } from '../sequences/check-sequences.ts';

const COUNT = 10;

test('after any sequence of steps and kills every VM has the expected content, and nothing is left on the host', async (t) => {
  // Fixed for runs that must be reproducible (scripts/test/property-seed.ts).
  const seed = fc.readConfigureGlobal().seed ?? Date.now() % 2 ** 31;
  const notes: string[] = [];
  const note = (text: string): void => void notes.push(text);
  const report = await checkSequences({
    seed,
    count: COUNT,
    workerCount: 2,
    isShrunk: false,
    note,
    signal: t.signal,
  });
  const failed = report.failures.map(
    (one) => `${one.message}\nto run it again: npm run sequences -- --seed ${one.seed} --path ${one.path}`,
  );
  assert.deepEqual(failed, [], notes.join('\n'));
  assert.equal(report.runCount, COUNT);
  t.diagnostic(`${COUNT} sequences, seed ${seed}`);
});
