import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { writeFileAtomic } from '../../src/base/files/atomic-file.ts';
import { chartSvg } from './chart.ts';
import { readTable } from './read-table.ts';

/** The page that has the published figures, from the project's root. */
const PAGE = join('docs', 'performance.md');

/** The marks in the page between which the table is. */
const BEGIN_MARK = '<!-- begin of the measured table -->\n';
const END_MARK = '<!-- end of the measured table -->';

/** The charts beside the page: the rows of one unit each. */
const CHARTS = [
  { path: join('docs', 'charts', 'times.svg'), unit: 'ms', title: 'What users wait for' },
  { path: join('docs', 'charts', 'memory.svg'), unit: 'MiB', title: 'Memory that a VM takes' },
] as const;

/**
 * Puts a table of figures into the page under `root`, and draws the charts of it.
 *
 * @throws {Error} when the marks in the page are missing.
 */
export async function writePage(root: string, table: string): Promise<void> {
  const path = join(root, PAGE);
  const { before, after } = partsOf(await readFile(path, 'utf8'));
  await writeFileAtomic(path, `${before}${BEGIN_MARK}\n${table}\n${END_MARK}${after}`, { mode: 0o644 });
  await drawCharts(root);
}

/** Draws the charts of the figures that the page under `root` has. */
export async function drawCharts(root: string): Promise<void> {
  for (const [path, svg] of chartsOf(await readFile(join(root, PAGE), 'utf8'))) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFileAtomic(join(root, path), svg, { mode: 0o644 });
  }
}

/** The charts of the figures in the page's text: the path of each from the project's root, and its SVG. */
export function chartsOf(page: string): [path: string, svg: string][] {
  const rows = readTable(partsOf(page).table);
  return CHARTS.map(({ path, unit, title }) => [
    path,
    chartSvg({ title, rows: rows.filter((row) => row.unit === unit) }),
  ]);
}

function partsOf(page: string): { before: string; table: string; after: string } {
  const [before, rest] = page.split(BEGIN_MARK);
  const [table, after] = rest?.split(END_MARK) ?? [];
  if (before === undefined || table === undefined || after === undefined) {
    throw new Error(`Cannot use "${PAGE}": the marks of its table are missing`);
  }
  return { before, table, after };
}
