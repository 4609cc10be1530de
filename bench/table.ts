import type { Row } from './measurement.ts';

/** The figures as a Markdown table. */
export function markdownTable(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.what,
    row.first === undefined ? '' : amount(row.first, row.unit),
    amount(row.median, row.unit),
    amount(row.floor, row.unit),
    (row.median / row.floor).toFixed(2),
    goalOf(row),
    row.floorIs,
  ]);
  const head = ['what', 'first', 'median', 'floor', 'ratio', 'goal', 'the floor is'];
  const rule = ['---', '--:', '--:', '--:', '--:', '---', '---'];
  return [head, rule, ...lines]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`)
    .join('');
}

function isMet({ goal, median, floor }: Row): boolean {
  if (!goal) return true;
  return 'ratio' in goal ? median <= goal.ratio * floor : median <= goal.median;
}

function goalOf(row: Row): string {
  if (!row.goal) return '';
  const text = 'ratio' in row.goal ? `ratio ≤ ${row.goal.ratio}` : `≤ ${amount(row.goal.median, row.unit)}`;
  return `${text}: ${isMet(row) ? 'met' : '**missed**'}`;
}

function amount(value: number, unit: Row['unit']): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}
