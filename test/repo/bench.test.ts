import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Measured, Row } from '../../bench/measurement.ts';
import { MEASUREMENTS } from '../../bench/measurements.ts';
import { compare, problemsOf } from '../../bench/report/compare.ts';
import { type Expectation, parseExpectations } from '../../bench/report/expectations.ts';
import { jsonDocument } from '../../bench/report/json.ts';
import { markdownTable } from '../../bench/report/table.ts';
import { medianSpans } from '../../bench/spans.ts';

const ROW: Row = { name: 'row', what: 'w', unit: 'ms', median: 30, floor: 20, floorIs: 'f', runs: 3 };

test('a row says of each goal whether it is met, including the bound', () => {
  const text = markdownTable([{ ...ROW, goals: [{ median: 30 }, { ratio: 1.4 }, { ratio: 1.5 }] }]);
  assert.match(
    text,
    /\| w \| {2}\| 30 ms \| 20 ms \| 1\.50 \| ≤ 30 ms: met; ratio ≤ 1\.4: \*\*missed\*\*; ratio ≤ 1\.5: met \| f \|/,
  );
});

test('what is above the floor can be a goal, too', () => {
  const text = markdownTable([{ ...ROW, median: 20.5, goals: [{ added: 0.5 }, { added: 0.4 }] }]);
  assert.match(text, /\| floor \+ 0\.5 ms: met; floor \+ 0\.4 ms: \*\*missed\*\* \|/);
});

test('a failed measurement has a row that says why', () => {
  const text = markdownTable([ROW, { name: 'other', what: 'other', notMeasured: 'it is not installed' }]);
  assert.match(text, /\| other \|( {2}\|)+ not measured: it is not installed \|\n$/);
});

test('the stages follow the table, with an explanation where a goal is missed', () => {
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

test('stages are medians over runs, in the order of their first appearance; a run without a stage counts as 0', () => {
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

test('each measurement has a unique name, and the page of figures has marks around its table', async () => {
  const names = MEASUREMENTS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  const page = await readFile(join(import.meta.dirname, '../../docs/performance.md'), 'utf8');
  for (const mark of ['begin', 'end']) {
    assert.equal(page.split(`<!-- ${mark} of the measured table -->`).length, 2, mark);
  }
});

const PAGE = join(import.meta.dirname, '../../docs/performance.md');
const EXPECTATIONS = join(import.meta.dirname, '../../bench/expectations.json');

/** As `suspend-fork` and `beside-debvm` were measured, shortened. */
const MEASURED: readonly Measured[] = [
  {
    measurement: 'suspend-fork',
    rows: [
      { ...ROW, name: 'fork', median: 678, floor: 397 },
      { ...ROW, name: 'many-forks', median: 3452, floor: 2123 },
    ],
  },
  {
    measurement: 'beside-debvm',
    rows: [{ name: 'debvm', what: 'beside debvm', notMeasured: 'it is not installed' }],
  },
];
const FORK: Expectation = { measurement: 'suspend-fork', row: 'fork', ceiling: 1.8 };
const MANY: Expectation = { measurement: 'suspend-fork', row: 'many-forks', ceiling: 5.2, of: 'fork' };
const DEBVM: Expectation = { measurement: 'beside-debvm', row: 'debvm', ceiling: 0.02, isOptional: true };

for (const [what, expectations, problems] of [
  ['rows within their ceilings', [FORK, MANY, DEBVM], []],
  [
    'a row beyond its floor',
    [{ ...FORK, ceiling: 1.7 }, MANY, DEBVM],
    ['fork: 1.708 times "floor", at most 1.7'],
  ],
  [
    'a row beyond another row',
    [FORK, { ...MANY, ceiling: 5 }, DEBVM],
    ['many-forks: 5.091 times "fork", at most 5'],
  ],
  ['a row without a ceiling', [FORK, DEBVM], ['many-forks: bench/expectations.json has no ceiling for it']],
  [
    'an expected row that is missing',
    [FORK, MANY, DEBVM, { ...FORK, row: 'suspend' }],
    ['suspend: "suspend-fork" did not measure it'],
  ],
  [
    'an expected row of a measurement that was not requested',
    [FORK, MANY, DEBVM, { ...FORK, measurement: 'other' }],
    [],
  ],
  [
    'a ratio to a missing row',
    [FORK, { ...MANY, of: 'none' }, DEBVM],
    ['many-forks: its ratio to "none" is not known'],
  ],
  [
    'a required row that could not be measured',
    [FORK, MANY, { measurement: 'beside-debvm', row: 'debvm', ceiling: 0.02 }],
    ['debvm: not measured: it is not installed'],
  ],
] as const) {
  test(`the check of ${what}: ${problems.join('') || 'no problem'}`, () => {
    assert.deepEqual(problemsOf(MEASURED, expectations), problems);
  });
}

test('a median that is not a number is beyond every ceiling', () => {
  const rows = [{ ...ROW, name: 'fork', median: Number.NaN }];
  assert.equal(problemsOf([{ measurement: 'suspend-fork', rows }], [FORK]).length, 1);
});

test('the JSON document has each row with its ratio and its ceiling', () => {
  const { rows } = JSON.parse(jsonDocument(compare(MEASURED, [{ ...FORK, ceiling: 1.7 }, MANY])));
  const pick = (row: Record<string, unknown>) => [
    row['name'],
    row['unit'],
    row['median'],
    row['of'],
    row['ceiling'],
  ];
  assert.deepEqual(rows.map(pick), [
    ['fork', 'ms', 678, 'floor', 1.7],
    ['many-forks', 'ms', 3452, 'fork', 5.2],
    ['debvm', undefined, undefined, undefined, undefined],
  ]);
  assert.deepEqual(
    [rows[0].floor, rows[0].ratio.toFixed(3), rows[2].notMeasured],
    [397, '1.708', 'it is not installed'],
  );
});

for (const [what, text] of [
  ['an unknown field', '{"rows":[{"measurement":"a","row":"b","ceiling":1,"celing":2}]}'],
  ['a ceiling that is not a number', '{"rows":[{"measurement":"a","row":"b","ceiling":"1"}]}'],
  [
    'a row twice',
    '{"rows":[{"measurement":"a","row":"b","ceiling":1},{"measurement":"c","row":"b","ceiling":1}]}',
  ],
] as const) {
  test(`expectations with ${what} are refused`, () => {
    assert.throws(() => parseExpectations(text), /^Error: Cannot use the expectations: /);
  });
}

test('every measurement has a ceiling, and the published figures are within their ceilings', async () => {
  const expectations = parseExpectations(await readFile(EXPECTATIONS, 'utf8'));
  const known = new Set(MEASUREMENTS.map(({ name }) => name));
  assert.deepEqual(new Set(expectations.map(({ measurement }) => measurement)), known);
  for (const { row, measurement, of } of expectations) {
    if (of === undefined) continue;
    assert.ok(
      expectations.some((other) => other.row === of && other.measurement === measurement),
      row,
    );
  }
  const page = await readFile(PAGE, 'utf8');
  const ratioOf = (start: string): number => {
    const line = page.split('\n').find((one) => one.startsWith(`| ${start}`));
    return Number(line?.split(' | ')[4]);
  };
  const ceilingOf = (row: string): number => expectations.find((one) => one.row === row)?.ceiling ?? 0;
  for (const [row, start] of [
    ['version', '`banger version`'],
    ['exec', '`banger vm exec VM'],
    ['suspend', 'suspend of that VM'],
    ['resume', 'resume, and'],
    ['list', '`banger vm list --all`'],
    ['fork', 'fork of a VM'],
  ] as const) {
    assert.ok(ratioOf(start) < ceilingOf(row), row);
  }
});
