import type { EndedTest } from '../../scripts/test/test-report.ts';

/** The line that a suite in the host prints at the end of each of its tests. */
export function formatTestLine({ outcome, durationMs, name }: EndedTest): string {
  return `${outcome} ${(durationMs / 1000).toFixed(1)} s: ${name}\n`;
}

/** The tests whose complete line is in `text`. */
export function parseTestLines(text: string): EndedTest[] {
  return [...text.matchAll(/^(passed|failed|skipped) (\d+\.\d) s: (.*)\n/gm)].map((found) => ({
    outcome: found[1] as EndedTest['outcome'],
    durationMs: Number(found[2]) * 1000,
    name: found[3] ?? '',
  }));
}
