import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Row } from '../../bench/measurement.ts';
import { MEASUREMENTS } from '../../bench/measurements.ts';
import { medianSpans } from '../../bench/spans.ts';
import { markdownTable } from '../../bench/table.ts';

const ROW: Row = { what: 'w', unit: 'ms', median: 30, floor: 20, floorIs: 'f', runs: 3 };

test('a row tells of each goal whether it is met, the bound included', () => {
  const text = markdownTable([{ ...ROW, goals: [{ median: 30 }, { ratio: 1.4 }, { ratio: 1.5 }] }]);
  assert.match(
    text,
    /\| w \| {2}\| 30 ms \| 20 ms \| 1\.50 \| ≤ 30 ms: met; ratio ≤ 1\.4: \*\*missed\*\*; ratio ≤ 1\.5: met \| f \|/,
  );
});

test('what could not be measured has a row that says why', () => {
  const text = markdownTable([ROW, { what: 'other', notMeasured: 'it is not installed' }]);
  assert.match(text, /\| other \|( {2}\|)+ not measured: it is not installed \|\n$/);
});

test('where the time goes is told below, with a word where a goal is missed', () => {
  const spans = [
    { stage: 'cli', ms: 10.4 },
    { stage: 'sync', ms: 20 },
  ];
  const text = markdownTable([
    { ...ROW, goals: [{ median: 29 }], spans },
    { ...ROW, what: 'well', spans },
  ]);
  assert.match(text, /\n\n\| what \| where the time goes, in ms \| total \|\n/);
  assert.match(
    text,
    /\| w \(\*\*a goal is missed\*\*\) \| cli 10, sync 20 \| 30 \|\n\| well \| cli 10, sync 20 \| 30 \|\n$/,
  );
});

test('stages are medians over runs, in the order of their first coming; a run without one counts as 0', () => {
  const runs = [
    [
      { stage: 'cli', ms: 1 },
      { stage: 'kill', ms: 9 },
    ],
    [
      { stage: 'cli', ms: 3 },
      { stage: 'power off', ms: 5 },
      { stage: 'kill', ms: 9 },
    ],
    [{ stage: 'cli', ms: 2 }],
  ];
  assert.deepEqual(medianSpans(runs), [
    { stage: 'cli', ms: 2 },
    { stage: 'kill', ms: 9 },
    { stage: 'power off', ms: 0 },
  ]);
});

test('each measurement has a name of its own, and the page of figures has the marks that its table goes between', async () => {
  const names = MEASUREMENTS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  const page = await readFile(join(import.meta.dirname, '../../docs/performance.md'), 'utf8');
  for (const mark of ['begin', 'end']) {
    assert.equal(page.split(`<!-- ${mark} of the measured table -->`).length, 2, mark);
  }
});
