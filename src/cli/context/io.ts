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

/** Signals that a command listens to. */
export type ListenedSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGQUIT' | 'SIGCONT';

/** Where signals of this process are heard; `process` is one. */
export interface SignalSource {
  on(signal: ListenedSignal, listener: (signal: ListenedSignal) => void): unknown;
  off(signal: ListenedSignal, listener: (signal: ListenedSignal) => void): unknown;
}

/**
 * Everything that the command line touches of the process it runs in, so that a test can run it in its own.
 */
export interface CliIo {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Environment;
  readonly cwd: string;
  readonly signals: SignalSource;
  /** Calls `listener` when the process exits, however it does; it must be synchronous. */
  onExit(listener: () => void): Disposable;
  /**
   * Returns a function that stops the terminal on stdin from changing line feeds of the output, which raw
   * mode leaves on. The terminal has changed when that function returns, never later: a late change would
   * spoil a terminal that we have already given back.
   */
  loadOutputStopper(): Promise<() => void>;
  /** Sets the exit status of this process for an exception that nobody catches; 1 until then. */
  setCrashStatus(status: number): void;
  /** how to start this program */
  readonly ownArgv: readonly string[];
  /** how to start the daemon */
  readonly daemonArgv: readonly [string, ...string[]];
  readonly build: BuildInfo;
}
