/**
 * `ms` after which a test considers that something hangs; it does not measure anything.
 * `BANGER_TEST_PATIENCE` multiplies it, for hosts that are many times slower than a developer's.
 */
export function patient(ms: number): number {
  return ms * Number(process.env['BANGER_TEST_PATIENCE'] ?? 1);
}
