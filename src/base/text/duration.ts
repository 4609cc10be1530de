import { AppError } from '../errors.ts';

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Longest duration, in `ms`: the limit of a timer, nearly 25 days. */
const MAX_DURATION_MS = 2 ** 31 - 1;

/**
 * Parses `90s`, `1h30m`, `1.5h`, `250ms`, `2d`, or a bare number of seconds, to `ms`. Each unit may occur
 * once, the largest first; `0` is zero.
 *
 * @throws {AppError} DURATION_INVALID naming `field` and the allowed form.
 */
export function parseDuration(text: string, field: string): number {
  const number = '([0-9]{1,9}(?:\\.[0-9]{1,3})?)';
  const parts = ['d', 'h', 'm', 's', 'ms'].map((unit) => `(?:${number}${unit})?`).join('');
  const found = new RegExp(`^(?:${number}|(?=.)${parts})$`).exec(text.trim());
  const [, seconds, ...amounts] = found ?? [];
  const units = [UNIT_MS.d, UNIT_MS.h, UNIT_MS.m, UNIT_MS.s, UNIT_MS.ms];
  const ms =
    seconds === undefined
      ? units.reduce((sum, unit, at) => sum + Number(amounts[at] ?? 0) * unit, 0)
      : Number(seconds) * UNIT_MS.s;
  if (found && ms <= MAX_DURATION_MS) return Math.round(ms);
  throw new AppError('DURATION_INVALID', `Cannot use "${text}" for ${field}: it is not a duration`, {
    hint: 'give a time such as 90s, 5m or 1h30m, of at most 24 days (a bare number is seconds)',
    details: { field, value: text },
  });
}
