import { invariant } from '../src/base/errors.ts';
import { exec } from '../src/base/process/exec.ts';
import { median } from './stats.ts';
import type { TimedOptions } from './timing.ts';

/** One stage of a command, as `--timings` reports it. */
export interface Span {
  stage: string;
  ms: number;
}

/** Number of runs that find out where a command's time goes. */
export const SPAN_RUNS = 3;

/**
 * Runs a command line that has `--json --timings` and returns its spans; for a command on several VMs, those
 * of the first VM.
 */
export async function spansOf(argv: readonly [string, ...string[]], options: TimedOptions): Promise<Span[]> {
  const { stdout } = await exec(argv, options);
  const value = JSON.parse(stdout.toString('utf8')) as { spans?: Span[] } | { spans?: Span[] }[];
  const { spans } = (Array.isArray(value) ? value[0] : value) ?? {};
  invariant(spans, 'the JSON of a command with --timings has spans');
  return spans;
}

/**
 * Returns the median of each stage over several runs, in the order of first appearance. A run without a stage
 * counts as 0.
 */
export function medianSpans(runs: readonly (readonly Span[])[]): Span[] {
  const stages = new Set(runs.flatMap((spans) => spans.map(({ stage }) => stage)));
  return [...stages].map((stage) => ({
    stage,
    ms: median(runs.map((spans) => spans.find((span) => span.stage === stage)?.ms ?? 0)),
  }));
}
