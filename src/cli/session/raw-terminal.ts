import type { CliIo } from '../context/io.ts';
import { TerminalModes } from './terminal-modes.ts';

/** Size of a terminal, in characters. */
export interface TerminalSize {
  rows: number;
  cols: number;
}

/**
 * Our user's terminal while it belongs to a program in the guest: every key goes there, also Ctrl-C. It is
 * given back when disposed of and, whatever happens, when the process exits. Twice is fine.
 */
export interface RawTerminal extends Disposable {
  /** Looks at output on its way to the terminal, to know what an early end would leave behind. */
  see(bytes: Uint8Array): void;
  /** The guest's program has ended by itself and has left the terminal as it wants it. */
  endedWell(): void;
}

/** What a pipe or a terminal without a size is taken for. */
const DEFAULT_SIZE: TerminalSize = { rows: 24, cols: 80 };

/** What {@link takeTerminal} needs besides the terminal. */
export interface TakeOptions {
  /** from {@link CliIo.loadOutputStopper} */
  stopOutputProcessing: () => void;
  /** called whenever the terminal's size has changed */
  onResize: (size: TerminalSize) => void;
}

/**
 * Takes the terminal. Before this returns, the terminal is raw; nothing changes it later except what
 * {@link RawTerminal} says.
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
    // A shell that stopped and continues us has set the terminal to its own liking meanwhile.
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

/** The terminal's size now. */
export function terminalSize({ stdout }: Pick<CliIo, 'stdout'>): TerminalSize {
  return { rows: stdout.rows || DEFAULT_SIZE.rows, cols: stdout.columns || DEFAULT_SIZE.cols };
}
