import assert from 'node:assert/strict';
import { availableParallelism, loadavg } from 'node:os';
import { patient } from './patience.ts';

/** The load of the last minute per processor; at least 1. */
function programsPerProcessor(): number {
  return Math.max(1, (loadavg()[0] ?? 1) / availableParallelism());
}

/**
 * Waits for `work`, and asserts that it takes at most `ms` on an idle host, or proportionally longer on a
 * busy one. For work that must not wait for something that takes much longer or never happens.
 */
export async function soon<T>(ms: number, work: Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await work;
  const tookMs = performance.now() - begun;
  const limitMs = patient(ms) * programsPerProcessor();
  assert.ok(tookMs < limitMs, `it took ${tookMs} ms, of ${limitMs} at most`);
  return result;
}
