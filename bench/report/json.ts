import type { Comparison } from './compare.ts';

/** The figures as one JSON document. Numbers that are not known are `null`. */
export function jsonDocument(compared: readonly Comparison[]): string {
  const rows = compared.map(({ measurement, row, expectation, ratio }) => {
    const { name, what } = row;
    if ('notMeasured' in row) return { measurement, name, what, notMeasured: row.notMeasured };
    const { unit, first = null, median, floor, floorIs, runs } = row;
    const bound = { ratio, of: expectation?.of ?? 'floor', ceiling: expectation?.ceiling ?? null };
    return { measurement, name, what, unit, first, median, floor, floorIs, runs, ...bound };
  });
  return `${JSON.stringify({ rows }, null, 2)}\n`;
}
