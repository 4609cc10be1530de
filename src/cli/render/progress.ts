import { printable } from '../../base/errors.ts';
import type { Sink } from '../context/output.ts';
import type { Style } from './style.ts';
import { cut } from './table.ts';

/**
 * How far long work is, on stderr. `inline`: one line of a terminal that is written over; `lines`: a line a
 * step; `quiet`: steps are not shown. Lines that stay (spec, ready, notices) are shown in each.
 */
export type ProgressMode = 'inline' | 'lines' | 'quiet';

/** Shows steps and keeps the terminal tidy around what else is printed. */
export interface Progress extends Disposable {
  /** Shows a step, unless it is the one that is shown. `label` is the command: `vm create`. */
  step(label: string, text: string): void;
  /** Prints a line that stays; the step goes on below it. */
  line(text: string): void;
  /** Prints the line that ends the step. */
  done(text: string): void;
  /** Takes the rewriting line away; call it before anything else writes to the terminal. Idempotent. */
  clear(): void;
  /**
   * The terminal's cursor stands behind text that somebody else wrote: what is shown next begins on a line of
   * its own.
   */
  below(): void;
}

/** How progress is shown on this stderr. */
export function progressMode(options: {
  isTerminal: boolean;
  isVerbose: boolean;
  isPlain: boolean;
}): ProgressMode {
  if (options.isVerbose) return 'lines';
  if (!options.isTerminal) return 'quiet';
  return options.isPlain ? 'lines' : 'inline';
}

/** `ms` between two looks at the clock, for the seconds behind a step that takes long. */
const TICK_MS = 1_000;

/** `\r` and Erase in Line (ECMA-48 section 8.3.41). */
const ERASE = '\r\u001b[K';

/** Makes the progress display of one command; disposing clears it and stops its clock. */
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
    // One column stays free: a full line would make the terminal wrap.
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
