import { printable } from '../errors.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * A time span as people say it: `0.05 s`, `4.5 s`, `15 s`, `3 min`, `2 h`. Below 10 s it has two significant
 * digits, otherwise it is a whole number. Minutes are used from 2 min on, hours from 2 h on.
 */
export function formatTime(ms: number): string {
  const seconds = Math.abs(ms) / SECOND_MS;
  if (seconds < 9.95) return `${Number(seconds.toPrecision(2))} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  if (seconds < 2 * 3600 - 30) return `${Math.round((seconds * SECOND_MS) / MINUTE_MS)} min`;
  return `${Math.round((seconds * SECOND_MS) / HOUR_MS)} h`;
}

/**
 * A count and its noun: `1 entry`, `2 entries`, `0 files`. Give `many` when the plural is not `one` with an
 * "s".
 */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** Names of files for a message: `"a", "b" and 3 more`. What a terminal would interpret is left out. */
export function quoteSome(names: readonly string[], most: number): string {
  const quoted = names.slice(0, most).map((name) => `"${printable(name)}"`);
  const more = names.length > most ? ` and ${names.length - most} more` : '';
  return `${quoted.join(', ')}${more}`;
}
