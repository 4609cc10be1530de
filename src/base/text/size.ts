import { AppError } from '../errors.ts';

const UNIT_BYTES = { K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;

/**
 * Parses `8G`, `512M`, `4GiB`, `100KiB`, or a bare number of MiB, to bytes. Only whole numbers; units are
 * binary.
 *
 * @throws {AppError} SIZE_INVALID naming `field` and the allowed form.
 */
export function parseSize(text: string, field: string): number {
  const match = /^([0-9]{1,12})(?:([KMGT])(?:i?B)?)?$/i.exec(text.trim());
  const unit = (match?.[2]?.toUpperCase() ?? 'M') as keyof typeof UNIT_BYTES;
  const bytes = match ? Number(match[1]) * UNIT_BYTES[unit] : Number.NaN;
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new AppError('SIZE_INVALID', `Cannot use "${text}" for ${field}: it is not a size`, {
      hint: `give a whole number above 0 with K, M, G or T, for example 8G or 512M (a bare number is MiB)`,
      details: { field, value: text },
    });
  }
  return bytes;
}

/** The shortest exact form: `8G`, `512M`, `1000K`, else bytes with one decimal (`1.3G`). */
export function formatSize(bytes: number): string {
  for (const unit of ['T', 'G', 'M', 'K'] as const) {
    if (bytes >= UNIT_BYTES[unit]) {
      const value = bytes / UNIT_BYTES[unit];
      return Number.isInteger(value) ? `${value}${unit}` : `${value.toFixed(1)}${unit}`;
    }
  }
  return `${bytes}B`;
}
