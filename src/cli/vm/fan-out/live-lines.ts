import type { Sink } from '../../context/output.ts';

/** `ms` between two updates. */
const TICK_MS = 500;

const ESC = '\u001b[';

/** Lines at the bottom of a terminal that change, below lines that stay. */
export interface LiveLines extends Disposable {
  /** Prints a line that stays. */
  line(text: string): void;
  /** Draws the lines that change again, now. */
  update(): void;
}

/**
 * Shows the lines that `draw` returns at the bottom of a terminal, and updates them twice a second. Without
 * `isLive`, only the lines that stay are printed. Disposing erases the lines that change. `draw` gets the
 * number of lines that fit; it must return no more.
 */
export function liveLines(
  sink: Sink,
  { isLive, rows, draw }: { isLive: boolean; rows: () => number; draw: (maxLines: number) => string[] },
): LiveLines {
  let drawnCount = 0;
  const erase = (): string => {
    const up = drawnCount > 0 ? `${ESC}${drawnCount}A\r${ESC}J` : '';
    drawnCount = 0;
    return up;
  };
  const drawn = (): string => {
    if (!isLive) return '';
    const lines = draw(Math.max(2, rows() - 2));
    drawnCount = lines.length;
    // No line may wrap: the way up is counted in lines.
    return lines.map((text) => `${ESC}?7l${text}${ESC}?7h\n`).join('');
  };
  const update = (): void => {
    if (isLive) sink.put(erase() + drawn());
  };
  const timer = isLive ? setInterval(update, TICK_MS).unref() : undefined;
  update();
  return {
    line: (text) => sink.put(`${erase()}${text}\n${drawn()}`),
    update,
    [Symbol.dispose]: () => {
      clearInterval(timer);
      if (isLive) sink.put(erase());
    },
  };
}
