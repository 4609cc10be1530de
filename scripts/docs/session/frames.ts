import headless from '@xterm/headless';
import type { Cast } from './cast.ts';

/** Characters of a line with one look. */
export interface Run {
  column: number;
  width: number;
  text: string;
  /** number in the palette of 16; absent for the terminal's own */
  colour?: number;
  isBold: boolean;
  isDim: boolean;
}

/** What a line of the screen shows from one moment until it changes. */
export interface LineSpan {
  row: number;
  fromMs: number;
  /** absent when it stays until the end */
  untilMs?: number;
  runs: readonly Run[];
}

/** `ms` of outputs that are one frame: an eye does not tell them apart. */
const FRAME_MS = 50;

/**
 * Plays a recording in a terminal emulator, and returns what each line of the screen shows when. Empty lines
 * are left out.
 */
export async function lineSpans({ width, height, outputs }: Cast): Promise<LineSpan[]> {
  const terminal = new headless.Terminal({ cols: width, rows: height, allowProposedApi: true });
  const spans: LineSpan[] = [];
  const shown: { key: string; span: LineSpan }[] = [];
  for (const [index, { atMs, text }] of outputs.entries()) {
    await new Promise<void>((resolve) => terminal.write(text, resolve));
    const next = outputs[index + 1];
    if (next && next.atMs - atMs < FRAME_MS) continue;
    for (let row = 0; row < height; row++) {
      const runs = runsOf(terminal, row);
      const key = JSON.stringify(runs);
      const last = shown[row];
      if (last?.key === key) continue;
      if (last) last.span.untilMs = atMs;
      const span = { row, fromMs: atMs, runs };
      shown[row] = { key, span };
      if (runs.length > 0) spans.push(span);
    }
  }
  terminal.dispose();
  return spans;
}

function runsOf(terminal: headless.Terminal, row: number): Run[] {
  const { active } = terminal.buffer;
  const line = active.getLine(active.baseY + row);
  const runs: Run[] = [];
  for (let column = 0; line && column < terminal.cols; column++) {
    const cell = line.getCell(column);
    const width = cell?.getWidth() ?? 0;
    if (!cell || width === 0) continue;
    const text = cell.getChars() || ' ';
    const look = {
      ...(cell.isFgPalette() && cell.getFgColor() < 16 ? { colour: cell.getFgColor() } : {}),
      isBold: cell.isBold() !== 0,
      isDim: cell.isDim() !== 0,
    };
    const last = runs.at(-1);
    if (last && last.colour === look.colour && last.isBold === look.isBold && last.isDim === look.isDim) {
      last.text += text;
      last.width += width;
    } else runs.push({ column, width, text, ...look });
  }
  return trimmed(runs);
}

/** Without blanks at the end of the line. */
function trimmed(runs: Run[]): Run[] {
  const last = runs.at(-1);
  if (!last) return runs;
  const text = last.text.trimEnd();
  if (text === '') return trimmed(runs.slice(0, -1));
  const width = last.width - (last.text.length - text.length);
  return [...runs.slice(0, -1), { ...last, text, width }];
}
