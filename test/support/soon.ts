import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { patient } from './patience.ts';

/** How many programs want each processor, now or on average of the last minute; at least 1. */
function programsPerProcessor(): number {
  // "0.42 0.31 0.20 3/512 1234": the fourth field begins with those that run or could run.
  const [, runnable = '1'] = / ([0-9]+)\//.exec(readFileSync('/proc/loadavg', 'utf8')) ?? [];
  return Math.max(1, Math.max(loadavg()[0] ?? 1, Number(runnable)) / availableParallelism());
}

/**
 * Waits for `work`, and asserts that it takes at most `ms` on an idle host, or proportionally longer on a
 * busy one. For work that must not wait for something that takes much longer or never happens.
 */
export async function soon<T>(ms: number, work: Promise<T>): Promise<T> {
  const loadBefore = programsPerProcessor();
  const begun = performance.now();
  const result = await work;
  const tookMs = performance.now() - begun;
  const limitMs = patient(ms) * Math.max(loadBefore, programsPerProcessor());
  assert.ok(tookMs < limitMs, `it took ${tookMs} ms, of ${limitMs} at most`);
  return result;
}
