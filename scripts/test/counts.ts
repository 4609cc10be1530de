/** A test that was skipped: `where > which test: why`. */
export type Skip = string;

/** The results of a stage. */
export interface Counts {
  passed: number;
  failed: number;
  /** each test that was skipped; a skipped suite is one, however many tests are in it */
  skips: readonly Skip[];
}

/** The counts before any test has run. */
export const NO_COUNTS: Counts = { passed: 0, failed: 0, skips: [] };

/** The sum of both. */
export function addCounts(a: Counts, b: Counts): Counts {
  return { passed: a.passed + b.passed, failed: a.failed + b.failed, skips: [...a.skips, ...b.skips] };
}

/** `3 passed, 0 failed`, and the number of skipped tests when there are any. */
export function countsLine({ passed, failed, skips }: Counts): string {
  return `${passed} passed, ${failed} failed${skips.length > 0 ? `, ${skips.length} skipped` : ''}`;
}

/** A list of all skipped tests with their reasons; empty when there are none. */
export function skipsText({ skips }: Counts): string {
  return skips.length === 0 ? '' : `\nskipped:\n${skips.map((skip) => `   ${skip}\n`).join('')}`;
}
