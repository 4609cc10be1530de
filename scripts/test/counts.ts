/** A test that was skipped: `where > which test: why`. */
export type Skip = string;

/** The results of a stage. */
export interface Counts {
  passed: number;
  failed: number;
  /** each test that was skipped; a skipped suite is one, however many tests are in it */
  skips: readonly Skip[];
  /** files that failed, and passed when they ran once more; absent when there are none */
  flakyFiles?: readonly string[];
}

/** The counts before any test has run. */
export const NO_COUNTS: Counts = { passed: 0, failed: 0, skips: [] };

/** The sum of both. */
export function addCounts(a: Counts, b: Counts): Counts {
  const flakyFiles = [...(a.flakyFiles ?? []), ...(b.flakyFiles ?? [])];
  return {
    passed: a.passed + b.passed,
    failed: a.failed + b.failed,
    skips: [...a.skips, ...b.skips],
    ...(flakyFiles.length > 0 ? { flakyFiles } : {}),
  };
}

/** `3 passed, 0 failed`, and the number of skipped tests when there are any. */
export function countsLine({ passed, failed, skips }: Counts): string {
  return `${passed} passed, ${failed} failed${skips.length > 0 ? `, ${skips.length} skipped` : ''}`;
}

/** {@link countsLine}, and the flaky files by name when there are any. */
export function stageLine(counts: Counts): string {
  const { flakyFiles = [] } = counts;
  if (flakyFiles.length === 0) return countsLine(counts);
  const files = `${flakyFiles.length} flaky ${flakyFiles.length === 1 ? 'file' : 'files'}`;
  return `${countsLine(counts)}; ${files}: ${flakyFiles.join(', ')}`;
}

/** A list of all skipped tests with their reasons; empty when there are none. */
export function skipsText({ skips }: Counts): string {
  return skips.length === 0 ? '' : `\nskipped:\n${skips.map((skip) => `   ${skip}\n`).join('')}`;
}
