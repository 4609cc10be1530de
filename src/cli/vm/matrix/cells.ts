import { AppError } from '../../../base/errors.ts';

/** One variable of a matrix and its values, in order. */
export interface Axis {
  key: string;
  values: readonly string[];
}

/** One combination of values; keys in the order of the axes. */
export interface Cell {
  /** from 0, in the order in which cells are listed */
  index: number;
  values: Readonly<Record<string, string>>;
}

/** Most cells of one matrix. */
export const MAX_CELLS = 256;

/** Name of the axis of commits. */
export const COMMIT_KEY = 'commit';

/** Variable that tells a command its cell, from 0. */
const INDEX_VARIABLE = 'BANGER_MATRIX_INDEX';

/**
 * Reads `KEY=a,b,c`.
 *
 * @throws {AppError} USAGE_OPTION_VALUE
 */
export function axisOf(given: string): Axis {
  const refuse = (why: string): AppError =>
    new AppError('USAGE_OPTION_VALUE', `Cannot use ${JSON.stringify(given)} for --over: ${why}`, {
      hint: 'for example --over node=20,22,24',
      details: { field: 'over', value: given },
    });
  const at = given.indexOf('=');
  if (at < 0) throw refuse('it has no "="');
  const key = given.slice(0, at);
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key)) {
    throw refuse('the name of a variable has letters, digits and "_", and does not begin with a digit');
  }
  if (key.startsWith('BANGER_')) throw refuse('names that begin with BANGER_ are reserved');
  const values = given.slice(at + 1).split(',');
  if (values.includes('')) throw refuse('a value is empty');
  if (new Set(values).size < values.length) throw refuse('a value occurs twice');
  return { key, values };
}

/**
 * All combinations of the values of the axes; the last axis varies fastest.
 *
 * @throws {AppError} USAGE_OPTIONS when there are more than {@link MAX_CELLS}
 */
export function cellsOf(axes: readonly Axis[]): Cell[] {
  const count = axes.reduce((product, { values }) => product * values.length, 1);
  if (count > MAX_CELLS) {
    throw new AppError('USAGE_OPTIONS', `Cannot run ${count} combinations: the most are ${MAX_CELLS}`, {
      hint: 'give fewer values',
      details: { field: 'over', value: count, allowed: MAX_CELLS },
    });
  }
  let combinations: Record<string, string>[] = [{}];
  for (const { key, values } of axes) {
    combinations = combinations.flatMap((one) => values.map((value) => ({ ...one, [key]: value })));
  }
  return combinations.map((values, index) => ({ index, values }));
}

/** `node=20 os=a`, with ids of commits cut to 12 characters. */
export function labelOf({ values }: Cell): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${shownValue(key, value)}`)
    .join(' ');
}

/** A value as tables show it. */
export function shownValue(key: string, value: string): string {
  return key === COMMIT_KEY && /^[0-9a-f]{40,64}$/.test(value) ? value.slice(0, 12) : value;
}

/** The variables of a cell's command: its values by the names that were given, and its index. */
export function variablesOf({ index, values }: Cell): Record<string, string> {
  return { ...values, [INDEX_VARIABLE]: String(index) };
}

/** Returns the words of a command with `{key}` replaced by the cell's value, for each key of the cell. */
export function wordsOf(command: readonly string[], { values }: Cell): string[] {
  return command.map((word) =>
    word.replace(/\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (whole, key: string) =>
      Object.hasOwn(values, key) ? (values[key] ?? whole) : whole,
    ),
  );
}
