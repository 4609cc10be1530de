import type { Goal, Row, UnmeasuredRow } from '../measurement.ts';

/** The figures as a Markdown table, and below it one of where the time goes, for those rows that know. */
export function markdownTable(rows: readonly (Row | UnmeasuredRow)[]): string {
  const head = ['what', 'first', 'median', 'floor', 'ratio', 'goal', 'the floor is'];
  const rule = ['---', '--:', '--:', '--:', '--:', '---', '---'];
  return `${rendered([head, rule, ...rows.map(cellsOf)])}${spansTable(rows)}`;
}

function cellsOf(row: Row | UnmeasuredRow): string[] {
  if ('notMeasured' in row) return [row.what, '', '', '', '', '', `not measured: ${row.notMeasured}`];
  const ratio = row.median / row.floor;
  return [
    row.what,
    row.first === undefined ? '' : amount(row.first, row.unit),
    amount(row.median, row.unit),
    amount(row.floor, row.unit),
    ratio < 0.1 ? ratio.toFixed(4) : ratio.toFixed(2),
    (row.goals ?? []).map((goal) => goalText(row, goal)).join('; '),
    row.floorIs,
  ];
}

function spansTable(rows: readonly (Row | UnmeasuredRow)[]): string {
  const known = rows.flatMap((row) =>
    'notMeasured' in row || !row.spans ? [] : [{ ...row, spans: row.spans }],
  );
  if (known.length === 0) return '';
  const lines = known.map((row) => [
    (row.goals ?? []).every((goal) => isMet(row, goal)) ? row.what : `${row.what} (**a goal is missed**)`,
    row.spans.map(({ stage, ms }) => `${stage} ${ms.toFixed(0)}`).join(', '),
    row.spans.reduce((sum, { ms }) => sum + ms, 0).toFixed(0),
  ]);
  const head = ['what', 'where the time goes, in ms', 'total'];
  return `\n${rendered([head, ['---', '---', '--:'], ...lines])}`;
}

function rendered(lines: readonly (readonly string[])[]): string {
  return lines
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`)
    .join('');
}

function isMet({ median, floor }: Row, goal: Goal): boolean {
  if ('added' in goal) return median - floor <= goal.added;
  return 'ratio' in goal ? median <= goal.ratio * floor : median <= goal.median;
}

function goalText(row: Row, goal: Goal): string {
  return `${limitText(row, goal)}: ${isMet(row, goal) ? 'met' : '**missed**'}`;
}

function limitText({ unit }: Row, goal: Goal): string {
  if ('added' in goal) return `floor + ${amount(goal.added, unit)}`;
  return 'ratio' in goal ? `ratio ≤ ${goal.ratio}` : `≤ ${amount(goal.median, unit)}`;
}

function amount(value: number, unit: Row['unit']): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
}
