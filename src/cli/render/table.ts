import { printable } from '../../base/errors.ts';

const GAP = '  ';

/** Minimum width of a column: enough to recognise a name. */
const LEAST_COLUMN_CHARS = 8;

/**
 * Aligns rows in columns with spaces; the first row is the heading. Strips control characters from cells.
 * With `width`, cuts the widest cells so that no line is longer. Counts each character as one column: cells
 * have no colours, and names and ids are ASCII.
 */
export function renderTable(rows: readonly (readonly string[])[], width?: number): string {
  const cells = rows.map((row) => row.map((cell) => printable(cell)));
  const widths = shrunk(widthsOf(cells), width);
  return cells
    .map((row) =>
      row
        .map((cell, at) => cut(cell, widths[at]).padEnd(widths[at] ?? 0))
        .join(GAP)
        .trimEnd(),
    )
    .map((line) => `${cut(line, width)}\n`)
    .join('');
}

/**
 * Drops columns until the rest fits in `width`: those of `leaveOut`, named by their heading, in this order
 * and no more than necessary. The JSON form of the same command has them all.
 */
export function fitColumns(
  rows: readonly (readonly string[])[],
  { width, leaveOut }: { width: number | undefined; leaveOut: readonly string[] },
): readonly (readonly string[])[] {
  let kept = rows;
  for (const heading of leaveOut) {
    if (width === undefined || totalOf(widthsOf(kept)) <= width) return kept;
    const at = kept[0]?.indexOf(heading) ?? -1;
    if (at >= 0) kept = kept.map((row) => row.toSpliced(at, 1));
  }
  return kept;
}

function widthsOf(cells: readonly (readonly string[])[]): number[] {
  const widths: number[] = [];
  for (const row of cells) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return widths;
}

function totalOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, GAP.length * Math.max(0, widths.length - 1));
}

/** Narrows the widest columns, at most to the minimum, until all of them fit. */
function shrunk(widths: readonly number[], width: number | undefined): number[] {
  const fitted = [...widths];
  if (width === undefined) return fitted;
  for (let excess = totalOf(fitted) - width; excess > 0; excess = totalOf(fitted) - width) {
    const widest = Math.max(...fitted);
    if (widest <= LEAST_COLUMN_CHARS) break;
    fitted[fitted.lastIndexOf(widest)] = widest - 1;
  }
  return fitted;
}

/** Returns the first `width` characters of a line, with a mark when some are missing. */
export function cut(line: string, width: number | undefined): string {
  if (width === undefined || width < 2 || line.length <= width) return line;
  return `${line.slice(0, width - 1)}…`;
}
