import { spawn as spawnPty } from '@lydell/node-pty';
import headless from '@xterm/headless';

/** A terminal in which a program runs, with its output and the actions of a user. */
export interface Terminal extends Disposable {
  readonly pid: number;
  /** the terminal's device */
  readonly device: string;
  /** all bytes that the program wrote */
  readonly output: () => string;
  /** the screen's lines, without trailing blanks */
  screen(): string[];
  /** a full-screen program uses the screen */
  isAlternate(): boolean;
  cursor(): { column: number; row: number };
  type(text: string): void;
  resize(cols: number, rows: number): void;
  /** Waits until the output contains `text`. */
  shows(text: string | RegExp): Promise<void>;
  readonly ended: Promise<{ exitCode: number; signal: number | undefined }>;
  /** Hangs up the terminal, as closing its window does. */
  hangUp(): void;
}

/** `ms` after which a wait fails and says what hangs; it does not measure anything. */
const SHOWS_DEADLINE_MS = 120_000;

/** Starts a program in a new terminal. */
export function openTerminal(
  argv: readonly [string, ...string[]],
  { env, cols = 80, rows = 24 }: { env: Record<string, string>; cols?: number; rows?: number },
): Terminal {
  const emulator = new headless.Terminal({ cols, rows, allowProposedApi: true });
  const [program, ...args] = argv;
  const pty = spawnPty(program, args, { cols, rows, env, name: 'xterm', encoding: null });
  let output = '';
  let waiting: { isThere: () => boolean; resolve: () => void }[] = [];
  pty.onData((data) => {
    const bytes = Buffer.from(data);
    output += bytes.toString();
    emulator.write(bytes, () => {
      waiting = waiting.filter(({ isThere, resolve }) => {
        if (!isThere()) return true;
        resolve();
        return false;
      });
    });
  });
  const ended = new Promise<{ exitCode: number; signal: number | undefined }>((resolve) => {
    pty.onExit(({ exitCode, signal }) => resolve({ exitCode, signal }));
  });
  return {
    pid: pty.pid,
    device: (pty as unknown as { ptsName: string }).ptsName,
    output: () => output,
    screen() {
      const { active } = emulator.buffer;
      return Array.from(
        { length: active.length },
        (_, at) => active.getLine(at)?.translateToString(true) ?? '',
      );
    },
    isAlternate: () => emulator.buffer.active.type === 'alternate',
    cursor: () => ({ column: emulator.buffer.active.cursorX, row: emulator.buffer.active.cursorY }),
    type: (text) => pty.write(text),
    resize(newCols, newRows) {
      emulator.resize(newCols, newRows);
      pty.resize(newCols, newRows);
    },
    async shows(text) {
      const isThere = (): boolean => (typeof text === 'string' ? output.includes(text) : text.test(output));
      if (isThere()) return;
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => {
          reject(new Error(`the terminal does not show ${String(text)}, but:\n${output}`));
        }, SHOWS_DEADLINE_MS);
        waiting.push({
          isThere,
          resolve: () => {
            clearTimeout(timer);
            resolve();
          },
        });
      });
    },
    ended,
    hangUp: () => (pty as unknown as { destroy(): void }).destroy(),
    [Symbol.dispose]() {
      try {
        pty.kill('SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
      emulator.dispose();
    },
  };
}
