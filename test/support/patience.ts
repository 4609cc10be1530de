/**
 * `ms` that something may take before a test counts it as hanging; nothing is measured by it.
 * `BANGER_TEST_PATIENCE` multiplies it, for hosts that are many times slower than a developer's.
 */
export function patient(ms: number): number {
  return ms * Number(process.env['BANGER_TEST_PATIENCE'] ?? 1);
}
