import { invariant } from '../src/base/errors.ts';
import { exec } from '../src/base/process/exec.ts';
import { median } from './stats.ts';
import type { TimedOptions } from './timing.ts';

/** One part of what a command did, as `--timings` tells it. */
export interface Span {
  stage: string;
  ms: number;
}

/** Runs of a command that are made to see where its time goes. */
export const SPAN_RUNS = 3;

/**
 * Runs a command line that has `--json --timings` and gives its spans; of one on several VMs those of the
 * first.
 */
export async function spansOf(argv: readonly [string, ...string[]], options: TimedOptions): Promise<Span[]> {
  const { stdout } = await exec(argv, options);
  const value = JSON.parse(stdout.toString('utf8')) as { spans?: Span[] } | { spans?: Span[] }[];
  const { spans } = (Array.isArray(value) ? value[0] : value) ?? {};
  invariant(spans, 'the JSON of a command with --timings has spans');
  return spans;
}

/**
 * The median of each stage over several runs, in the order in which the stages first came; a run without a
 * stage counts as 0 there.
 */
export function medianSpans(runs: readonly (readonly Span[])[]): Span[] {
  const stages = new Set(runs.flatMap((spans) => spans.map(({ stage }) => stage)));
  return [...stages].map((stage) => ({
    stage,
    ms: median(runs.map((spans) => spans.find((span) => span.stage === stage)?.ms ?? 0)),
  }));
}
