import { invariant } from '../src/base/errors.ts';

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.floor((sorted.length - 1) / 2)];
  invariant(upper !== undefined && lower !== undefined, 'no value was measured');
  return (upper + lower) / 2;
}

/** The first value apart from the median of the others. */
export function firstAndRest(values: readonly number[]): { first: number; median: number } {
  const [first, ...rest] = values;
  invariant(first !== undefined && rest.length > 0, 'at least two values must be measured');
  return { first, median: median(rest) };
}
