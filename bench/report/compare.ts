import type { Measured, Row, UnmeasuredRow } from '../measurement.ts';
import type { Expectation } from './expectations.ts';

/** A measured row beside its ceiling. */
export interface Comparison {
  measurement: string;
  row: Row | UnmeasuredRow;
  /** absent when there is no expectation for the row */
  expectation?: Expectation | undefined;
  /** median divided by what the ceiling counts from; `NaN` when one of them was not measured */
  ratio: number;
}

/** Puts each measured row beside its ceiling. */
export function compare(measured: readonly Measured[], expectations: readonly Expectation[]): Comparison[] {
  return measured.flatMap(({ measurement, rows }) =>
    rows.map((row) => {
      const expectation = expectations.find((one) => one.measurement === measurement && one.row === row.name);
      return { measurement, row, expectation, ratio: ratioOf(row, rows, expectation) };
    }),
  );
}

/**
 * What is wrong with the figures, a line for each row: it is beyond its ceiling, has none, could not be
 * measured, or is expected of one of these measurements and was not there.
 */
export function problemsOf(measured: readonly Measured[], expectations: readonly Expectation[]): string[] {
  const compared = compare(measured, expectations);
  const names = new Set(measured.map(({ measurement }) => measurement));
  const missing = expectations.filter(
    ({ measurement, row }) =>
      names.has(measurement) &&
      !compared.some((one) => one.measurement === measurement && one.row.name === row),
  );
  return [
    ...compared.flatMap((one) => problemOf(one) ?? []),
    ...missing.map(({ measurement, row }) => `${row}: "${measurement}" did not measure it`),
  ];
}

function problemOf({ row, expectation, ratio }: Comparison): string | undefined {
  if (!expectation) return `${row.name}: bench/expectations.json has no ceiling for it`;
  if ('notMeasured' in row) {
    return expectation.isOptional ? undefined : `${row.name}: not measured: ${row.notMeasured}`;
  }
  const { ceiling, of = 'floor' } = expectation;
  if (Number.isNaN(ratio)) return `${row.name}: its ratio to "${of}" is not known`;
  return ratio <= ceiling ? undefined : `${row.name}: ${ratio.toFixed(3)} times "${of}", at most ${ceiling}`;
}

function ratioOf(
  row: Row | UnmeasuredRow,
  rows: readonly (Row | UnmeasuredRow)[],
  expectation: Expectation | undefined,
): number {
  if ('notMeasured' in row) return Number.NaN;
  if (expectation?.of === undefined) return row.median / row.floor;
  const other = rows.find(({ name }) => name === expectation.of);
  return other && !('notMeasured' in other) ? row.median / other.median : Number.NaN;
}
