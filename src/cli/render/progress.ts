import { printable } from '../../base/errors.ts';
import type { Sink } from '../context/output.ts';
import type { Style } from './style.ts';
import { cut } from './table.ts';

/**
 * How the progress of long-running work is shown on stderr. `inline`: on one line of a terminal, which is
 * overwritten; `lines`: one line per step; `quiet`: not at all. Permanent lines (spec, ready, notices) are
 * shown in every mode.
 */
export type ProgressMode = 'inline' | 'lines' | 'quiet';

/** Shows steps, and keeps the terminal tidy when something else is printed. */
export interface Progress extends Disposable {
  /** Shows a step, unless it is already shown. `label` is the command: `vm create`. */
  step(label: string, text: string): void;
  /** Prints a permanent line; the step is shown again below it. */
  line(text: string): void;
  /** Ends the step and prints a permanent line. */
  done(text: string): void;
  /** Erases the line with the step. Call it before anything else writes to the terminal. Idempotent. */
  clear(): void;
  /**
   * Call it when the terminal's cursor is after text that something else wrote: the next output then begins
   * on a new line.
   */
  below(): void;
}

/** Returns how to show progress on this stderr. */
export function progressMode(options: {
  isTerminal: boolean;
  isVerbose: boolean;
  isPlain: boolean;
}): ProgressMode {
  if (options.isVerbose) return 'lines';
  if (!options.isTerminal) return 'quiet';
  return options.isPlain ? 'lines' : 'inline';
}

/** `ms` between updates of the seconds shown after a step that takes long. */
const TICK_MS = 1_000;

/** `\r` and Erase in Line (ECMA-48 section 8.3.41). */
const ERASE = '\r\u001b[K';

/** Creates the progress display of one command. Disposing clears it and stops its timer. */
export function createProgress(sink: Sink, { mode, style }: { mode: ProgressMode; style: Style }): Progress {
  let shown: { text: string; since: number } | undefined;
  let isDrawn = false;
  let timer: NodeJS.Timeout | undefined;
  let lineFeed = '';

  const put = (text: string): void => {
    sink.put(lineFeed + text);
    lineFeed = '';
  };
  const draw = (): void => {
    if (!shown) return;
    const seconds = Math.floor((performance.now() - shown.since) / 1000);
    const text = seconds > 0 ? `${shown.text} (${seconds} s)` : shown.text;
    // Leaves one column free, because a full line would make the terminal wrap.
    put(ERASE + style.dim(cut(text, (sink.columns ?? 80) - 1)));
    isDrawn = true;
  };
  const clear = (): void => {
    if (isDrawn) put(ERASE);
    isDrawn = false;
    shown = undefined;
    clearInterval(timer);
    timer = undefined;
  };

  return {
    step(label, text) {
      const full = `[${label}] ${printable(text)}`;
      if (mode === 'quiet' || shown?.text === full) return;
      shown = { text: full, since: performance.now() };
      if (mode === 'lines') {
        put(`${full}\n`);
        return;
      }
      draw();
      timer ??= setInterval(draw, TICK_MS).unref();
    },
    line(text) {
      const wasShown = mode === 'inline' ? shown : undefined;
      clear();
      put(`${text}\n`);
      if (wasShown) {
        shown = wasShown;
        draw();
        timer = setInterval(draw, TICK_MS).unref();
      }
    },
    done(text) {
      clear();
      put(`${text}\n`);
    },
    below() {
      lineFeed = '\n';
    },
    clear,
    [Symbol.dispose]: clear,
  };
}
