/**
 * How many cases a property that `npm run fuzz` repeats has: that many in a night's run, otherwise `usual`.
 */
export function fuzzRuns(usual: number): number {
  return Number(process.env['BANGER_FUZZ_RUNS'] ?? usual);
}
