import { printable } from '../../base/errors.ts';

const GAP = '  ';

/**
 * Aligns rows in columns with spaces; the first row is the heading. Cells are stripped of control characters. With `width`, lines are cut
 * to it. No cell is coloured, so a character is a column: names and ids are ASCII.
 */
export function renderTable(rows: readonly (readonly string[])[], width?: number): string {
  const cells = rows.map((row) => row.map((cell) => printable(cell)));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return cells
    .map((row) => row.map((cell, at) => cell.padEnd(at === row.length - 1 ? 0 : (widths[at] ?? 0))).join(GAP))
    .map((line) => `${cut(line.trimEnd(), width)}\n`)
    .join('');
}

/** The first `width` characters of a line, with a sign when some are missing. */
export function cut(line: string, width: number | undefined): string {
  if (width === undefined || width < 2 || line.length <= width) return line;
  return `${line.slice(0, width - 1)}…`;
}
