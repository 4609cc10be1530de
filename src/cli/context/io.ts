import type { Readable, Writable } from 'node:stream';
import type { Environment } from '../../config/settings.ts';
import type { BuildInfo } from '../../protocol/build-info.ts';

/** Where a command reads from; a terminal has `setRawMode`. */
export interface InputStream extends Readable {
  isTTY?: boolean;
  setRawMode?(isRaw: boolean): unknown;
}

/** Where a command writes to; a terminal has a size, and emits `resize` when it changes. */
export interface OutputStream extends Writable {
  isTTY?: boolean;
  columns?: number;
  rows?: number;
}

/** The signals that commands handle. */
export type ListenedSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGQUIT' | 'SIGCONT';

/** A source of process signals, such as `process`. */
export interface SignalSource {
  on(signal: ListenedSignal, listener: (signal: ListenedSignal) => void): unknown;
  off(signal: ListenedSignal, listener: (signal: ListenedSignal) => void): unknown;
}

/** Everything that the command line uses of its process, so that a test can run it inside its own process. */
export interface CliIo {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Environment;
  readonly cwd: string;
  readonly signals: SignalSource;
  /** Calls `listener` when the process exits, for whatever reason. `listener` must be synchronous. */
  onExit(listener: () => void): Disposable;
  /**
   * Returns a function that stops the terminal on stdin from changing line feeds in output, which raw mode
   * does not do. The change is complete when that function returns: a later change could hit a terminal that
   * is already restored.
   */
  loadOutputStopper(): Promise<() => void>;
  /** Sets the exit status for an uncaught exception; 1 until then. */
  setCrashStatus(status: number): void;
  /** how to start this program */
  readonly ownArgv: readonly string[];
  /** how to start this program from another one, at any later time */
  readonly launcherArgv: readonly string[];
  /** how to start the daemon */
  readonly daemonArgv: readonly [string, ...string[]];
  readonly build: BuildInfo;
}
