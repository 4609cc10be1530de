import { AppError } from '../../base/errors.ts';

/**
 * Parses a whole number of at least `least`; `flag` and `unit` are for the error.
 *
 * @throws {AppError} VM_SHAPE_INVALID
 */
export function parseCount(
  text: string,
  { flag, least, unit }: { flag: string; least: number; unit?: string },
): number {
  const value = /^[0-9]{1,9}$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value >= least) return value;
  const shown = unit ? `${least} ${unit}` : String(least);
  const why = Number.isNaN(value) ? 'it is not a whole number' : `it is below the minimum ${shown}`;
  throw new AppError('VM_SHAPE_INVALID', `Cannot use "${text}" for ${flag}: ${why}`, {
    hint: `${flag} takes a whole number of at least ${shown}`,
    details: { field: flag.slice(2), value: text },
  });
}
