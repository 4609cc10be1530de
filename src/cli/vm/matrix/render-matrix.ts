import { printable } from '../../../base/errors.ts';
import { formatTime } from '../../../base/text/words.ts';
import type { Style } from '../../render/style.ts';
import { renderTable } from '../../render/table.ts';
import { type Cell, labelOf, shownValue } from './cells.ts';
import { type CellResult, type CellState, countsOf } from './results.ts';

/** The results as a table: a column for each variable, the outcome, the exit status, the time and the log. */
export function matrixTable(results: readonly CellResult[], width: number | undefined): string {
  const keys = Object.keys(results[0]?.values ?? {});
  const hasVms = results.some(({ vm }) => vm !== undefined);
  const heading = [
    ...keys.map((key) => key.toUpperCase()),
    'RESULT',
    'STATUS',
    'TIME',
    ...(hasVms ? ['VM'] : []),
    'LOG',
  ];
  return renderTable(
    [
      heading,
      ...results.map(({ values, outcome, exitStatus, durationMs, vm, log }) => [
        ...keys.map((key) => shownValue(key, values[key] ?? '')),
        outcome,
        exitStatus === undefined ? '-' : String(exitStatus),
        outcome === 'cancelled' ? '-' : formatTime(durationMs),
        ...(hasVms ? [vm ?? '-'] : []),
        log ?? '-',
      ]),
    ],
    width,
  );
}

/** One line about a cell that has ended. */
export function resultLine(result: CellResult, style: Style): string {
  const { outcome, exitStatus, durationMs, error } = result;
  const label = printable(labelOf(result));
  switch (outcome) {
    case 'passed':
      return `${style.green('passed')}  ${label}  ${style.dim(formatTime(durationMs))}`;
    case 'failed':
      return `${style.red('failed')}  ${label}  ${style.dim(`status ${exitStatus}, ${formatTime(durationMs)}`)}`;
    case 'error':
      return `${style.red('error')}   ${label}  ${printable(error ?? '')}`;
    default:
      return `${style.yellow('cancelled')}  ${label}`;
  }
}

/** Lines of the live grid: those cells that are doing something, then how many are in which state. */
export function gridLines(
  cells: readonly { cell: Cell; state: CellState }[],
  { now, maxLines, style }: { now: number; maxLines: number; style: Style },
): string[] {
  const running = cells.flatMap(({ cell, state }) =>
    'kind' in state && state.kind === 'running'
      ? [
          `${style.cyan('running')} ${printable(labelOf(cell))}  ${style.dim(formatTime(Math.max(0, now - state.since)))}`,
        ]
      : [],
  );
  const shown = running.slice(0, Math.max(1, maxLines - 1));
  const waiting = cells.filter(({ state }) => 'kind' in state && state.kind === 'waiting').length;
  const { passed, failed, error } = countsOf(cells.flatMap(({ state }) => ('kind' in state ? [] : [state])));
  const parts = [
    ...(passed > 0 ? [style.green(`${passed} passed`)] : []),
    ...(failed > 0 ? [style.red(`${failed} failed`)] : []),
    ...(error > 0 ? [style.red(`${error} could not be run`)] : []),
    `${running.length} running`,
    `${waiting} waiting`,
  ];
  return [...shown, parts.join(', ')];
}
