import assert from 'node:assert/strict';
import { availableParallelism, loadavg } from 'node:os';
import { patient } from './patience.ts';

/** Programs that want a processor, for each processor, as a mean of the last minute; at least 1. */
function programsPerProcessor(): number {
  return Math.max(1, (loadavg()[0] ?? 1) / availableParallelism());
}

/**
 * Waits for `work`, and asserts that it does not take longer than `ms` on an idle host, or as many times
 * longer as programs share a processor now. For what must not wait for something that takes much longer, or
 * never comes.
 */
export async function soon<T>(ms: number, work: Promise<T>): Promise<T> {
  const begun = performance.now();
  const result = await work;
  const tookMs = performance.now() - begun;
  const limitMs = patient(ms) * programsPerProcessor();
  assert.ok(tookMs < limitMs, `it took ${tookMs} ms, of ${limitMs} at most`);
  return result;
}
