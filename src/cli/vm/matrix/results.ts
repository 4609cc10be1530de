import type { Cell } from './cells.ts';

/**
 * How the command of a cell ended. `error`: banger itself failed; `cancelled`: it was not started, or ended
 * because of `--fail-fast`.
 */
export const CELL_OUTCOMES = ['passed', 'failed', 'error', 'cancelled'] as const;
export type CellOutcome = (typeof CELL_OUTCOMES)[number];

/** The result of one cell, as `--json` has it. Fields are added, never changed. */
export interface CellResult extends Cell {
  outcome: CellOutcome;
  /** 128 + n for signal n; absent for `error` and `cancelled` */
  exitStatus?: number;
  /** of the command, in `ms` */
  durationMs: number;
  /** path of its log on this host; absent when nothing was started */
  log?: string;
  /** name of the fork, when it was kept */
  vm?: string;
  /** of banger */
  error?: string;
}

/** What a cell is doing; what has a result is a {@link CellResult}. */
export type CellState = { kind: 'waiting' } | { kind: 'running'; since: number } | CellResult;

/** How many cells had each outcome. */
export type CellCounts = Record<CellOutcome, number>;

/** Counts the outcomes. */
export function countsOf(results: readonly CellResult[]): CellCounts {
  const counts: CellCounts = { passed: 0, failed: 0, error: 0, cancelled: 0 };
  for (const { outcome } of results) counts[outcome] += 1;
  return counts;
}

/** Exit status of the whole: 0 when all passed, 125 when banger failed, otherwise 1. */
export function statusOf(results: readonly CellResult[]): number {
  if (results.some(({ outcome }) => outcome === 'error')) return 125;
  return results.every(({ outcome }) => outcome === 'passed') ? 0 : 1;
}
