import type { CliIo } from '../context/io.ts';
import { TerminalModes } from './terminal-modes.ts';

/** Size of a terminal, in characters. */
export interface TerminalSize {
  rows: number;
  cols: number;
}

/**
 * The user's terminal while a program in the guest uses it: every key goes to that program, also Ctrl-C.
 * Disposing restores the terminal, and so does the exit of the process, whatever its reason. Disposing twice
 * is fine.
 */
export interface RawTerminal extends Disposable {
  /** Inspects output on its way to the terminal, to know what an early end has to undo. */
  see(bytes: Uint8Array): void;
  /** Call it when the guest's program has exited by itself: the terminal is then as that program wants it. */
  endedWell(): void;
}

/** The size assumed for a pipe or a terminal without a size. */
const DEFAULT_SIZE: TerminalSize = { rows: 24, cols: 80 };

/** What {@link takeTerminal} needs besides the terminal. */
export interface TakeOptions {
  /** from {@link CliIo.loadOutputStopper} */
  stopOutputProcessing: () => void;
  /** called when the size of the terminal has changed */
  onResize: (size: TerminalSize) => void;
}

/**
 * Takes the terminal: it is in raw mode when this returns, and changes later only as {@link RawTerminal}
 * describes.
 */
export function takeTerminal(io: CliIo, { stopOutputProcessing, onResize }: TakeOptions): RawTerminal {
  const modes = new TerminalModes();
  let isTaken = true;
  let hasEndedWell = false;
  const makeRaw = (): void => {
    io.stdin.setRawMode?.(true);
    stopOutputProcessing();
  };
  const resized = (): void => onResize(terminalSize(io));
  const continued = (): void => {
    // A shell that suspended and continued this process has changed the settings of the terminal meanwhile.
    io.stdin.setRawMode?.(false);
    makeRaw();
    resized();
  };
  const giveBack = (): void => {
    if (!isTaken) return;
    isTaken = false;
    if (!hasEndedWell) {
      const undo = modes.undo();
      if (undo) io.stdout.write(undo);
    }
    io.stdin.setRawMode?.(false);
  };
  const exitListener = io.onExit(giveBack);
  makeRaw();
  io.stdout.on('resize', resized);
  io.signals.on('SIGCONT', continued);
  return {
    see: (bytes) => modes.see(bytes),
    endedWell: () => {
      hasEndedWell = true;
    },
    [Symbol.dispose]: () => {
      giveBack();
      io.stdout.off('resize', resized);
      io.signals.off('SIGCONT', continued);
      exitListener[Symbol.dispose]();
    },
  };
}

/** Returns the current size of the terminal. */
export function terminalSize({ stdout }: Pick<CliIo, 'stdout'>): TerminalSize {
  return { rows: stdout.rows || DEFAULT_SIZE.rows, cols: stdout.columns || DEFAULT_SIZE.cols };
}
