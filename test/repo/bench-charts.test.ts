import assert from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { Row } from '../../bench/measurement.ts';
import { chartSvg } from '../../bench/report/chart.ts';
import { readTable } from '../../bench/report/read-table.ts';
import { markdownTable } from '../../bench/report/table.ts';
import { chartsOf, writePage } from '../../bench/report/write-page.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const ROW: Row = { name: 'row', what: 'w', unit: 'ms', median: 30, floor: 20, floorIs: 'f', runs: 3 };

describe('the charts of the figures', () => {
  test('are those of the table that the page has', async () => {
    const page = await readFile(join(ROOT, 'docs', 'performance.md'), 'utf8');
    const charts = chartsOf(page);
    assert.ok(charts.length === 2);
    for (const [path, svg] of charts) {
      assert.equal(await readFile(join(ROOT, path), 'utf8'), svg, `npm run bench -- --charts draws ${path}`);
    }
    const rows = readTable(page);
    assert.ok(rows.length > 15);
    const drawn = charts.map(([, svg]) => [...svg.matchAll(/<line class="span"/g)].length);
    assert.equal(
      drawn.reduce((sum, count) => sum + count, 0),
      rows.length,
    );
  });

  test('change with the table', async () => {
    const root = await mkdtemp(join(tmpdir(), 'banger-charts-'));
    try {
      await mkdir(join(root, 'docs'));
      await cp(join(ROOT, 'docs', 'performance.md'), join(root, 'docs', 'performance.md'));
      const text = markdownTable([
        { ...ROW, what: 'what is new' },
        { ...ROW, unit: 'MiB' },
      ]);
      await writePage(root, text);
      const page = await readFile(join(root, 'docs', 'performance.md'), 'utf8');
      assert.ok(page.includes(`\n${text}\n<!-- end`));
      const svg = await readFile(join(root, 'docs', 'charts', 'times.svg'), 'utf8');
      assert.match(svg, />what is new</);
      await writeFile(join(root, 'docs', 'performance.md'), 'no marks');
      await assert.rejects(writePage(root, text), /marks of its table are missing/);
    } finally {
      await rm(root, { recursive: true });
    }
  });

  test('read back what the table says of a row: figures, the strictest goal, whether all are met', () => {
    const goals = [{ median: 450 }, { ratio: 1.5 }, { added: 12 }];
    const [row] = readTable(markdownTable([{ ...ROW, what: '`a | b`', median: 31, goals }]));
    assert.deepEqual(row, {
      what: 'a | b',
      unit: 'ms',
      median: 31,
      floor: 20,
      ratio: '1.55',
      goal: 30,
      isMet: false,
    });
    assert.deepEqual(readTable(markdownTable([{ name: 'x', what: 'x', notMeasured: 'not here' }])), []);
    assert.throws(() => readTable('no table'), /has no table/);
    assert.throws(
      () => readTable(markdownTable([ROW]).replace('30 ms', 'fast')),
      /"fast" is not of the form that the table has/,
    );
  });

  test('put a median between floor and goal where the figures say', () => {
    const at = (svg: string, shape: RegExp): number => Number(shape.exec(svg)?.[1]);
    const svg = chartSvg({
      title: 't',
      rows: [
        { what: 'w', unit: 'ms', median: 100, floor: 10, ratio: '10.00', goal: 1000, isMet: true },
        { what: 'v', unit: 'ms', median: 1000, floor: 10, ratio: '100.00', isMet: false },
      ],
    });
    const floor = at(svg, /class="floor" cx="([\d.]+)" cy="(?!5[0-9]")/);
    const median = at(svg, /class="met" cx="([\d.]+)" cy="(?!5[0-9]")/);
    const missed = at(svg, /class="missed" cx="([\d.]+)" cy="(?!5[0-9]")/);
    const goal = at(svg, /class="goal" x1="([\d.]+)" y1="(?!4[0-9]")/);
    assert.ok(Math.abs(median - floor - (goal - median)) < 0.2, 'each decade is as wide as the other');
    assert.equal(missed, goal);
    assert.match(svg, /1 s, floor 10 ms \(100\.00 times\): goal missed</);
  });

  test('are well-formed whatever the rows are called', () => {
    const figure = fc.double({ min: 0.1, max: 1e6, noNaN: true });
    const row = fc.record({ what: fc.string({ unit: 'binary' }), median: figure, floor: figure });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 5 }), (rows) => {
        const svg = chartSvg({
          title: 't',
          rows: rows.map((one) => ({ ...one, unit: 'ms', ratio: '1', isMet: true })),
        });
        const texts = svg.replace(/<\/?[a-z]+( [\w-]+="[^"<]*")*\/?>/g, '');
        assert.doesNotMatch(texts, /<|&(?!(amp|lt|gt|quot);)/);
        assert.doesNotMatch(svg, /NaN|Infinity/);
      }),
    );
  });
});
