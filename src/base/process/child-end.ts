import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { type Abortable, onAbort } from '../abort.ts';
import { AppError, isErrno } from '../errors.ts';
import { formatTime } from '../text/words.ts';

/** The parts of a Node child process that {@link childEnd} uses. */
export interface Child extends EventEmitter {
  readonly pid?: number | undefined;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly exitCode: number | null;
  readonly signalCode: NodeJS.Signals | null;
  kill(signal: NodeJS.Signals): boolean;
  unref(): void;
}

/** How {@link childEnd} waits, and when it ends the child. */
export interface EndOptions extends Abortable {
  /** `argv[0]`, for errors */
  program: string;
  /** aborts when the child's input has failed */
  inputFailed: AbortSignal;
  /** most `ms` that the child may run; absent for a program that the user sees and can interrupt */
  deadlineMs?: number;
  /** `ms` between SIGTERM and SIGKILL; default: 2,000 */
  graceMs?: number;
  /** the child leads its own process group, and the whole group ends with it */
  isGroup: boolean;
}

/** How often the output of an exited child is checked. */
const DRAIN_MS = 1_000;
/** After this, the kernel cannot end the child: it is waiting for a file system that does not answer. */
const UNKILLABLE_MS = 5_000;

/**
 * Waits until a child has exited and its output has been read, and returns its status (128+n for a signal).
 *
 * Kills the child's process group as soon as the child itself exits, so that no process it left behind keeps
 * running or keeps the output open. Drops output that a process outside the group keeps open, once nothing
 * has arrived for a second.
 *
 * When the signal aborts, the input fails or the deadline passes, the group gets SIGTERM, then SIGKILL. The
 * promise then rejects with the first of these reasons after the child has exited, or 5 s after SIGKILL when
 * the kernel cannot end it.
 *
 * @throws {AppError} EXEC_NOT_FOUND, EXEC_FAILED when the deadline has passed.
 */
export async function childEnd(child: Child, options: EndOptions): Promise<number> {
  const { program, deadlineMs, graceMs = 2_000, isGroup } = options;
  const timers = new Set<NodeJS.Timeout>();
  const after = (ms: number, action: () => void): void => {
    timers.add(setTimeout(action, ms));
  };
  const outputs = [child.stdout, child.stderr].filter((stream) => stream !== null);
  const dropOutput = (): void => {
    for (const stream of outputs) stream.destroy();
  };
  const closed = Promise.withResolvers<number>();
  let stopped: { reason: unknown } | undefined;
  const stop = (reason: unknown): void => {
    if (stopped) return;
    stopped = { reason };
    if (hasExited(child)) {
      dropOutput();
      return;
    }
    kill(child, { signal: 'SIGTERM', isGroup });
    after(graceMs, () => {
      kill(child, { signal: 'SIGKILL', isGroup });
      after(UNKILLABLE_MS, () => {
        dropOutput();
        child.unref();
        closed.reject(reason);
      });
    });
  };
  child.once('error', (error) => closed.reject(startFailed(program, error)));
  child.once('exit', () => {
    if (isGroup) kill(child, { signal: 'SIGKILL', isGroup });
    if (stopped) dropOutput();
    else dropWhenQuiet();
  });
  child.once('close', (code: number | null, signal: NodeJS.Signals | null) =>
    closed.resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)),
  );
  function dropWhenQuiet(): void {
    const before = bytesRead(outputs);
    after(DRAIN_MS, () => {
      if (isAllTaken(outputs) && bytesRead(outputs) === before) dropOutput();
      else dropWhenQuiet();
    });
  }
  using _listener = onAbort(options.signal, () => stop(options.signal.reason));
  using _inputListener = onAbort(options.inputFailed, () => stop(options.inputFailed.reason));
  if (deadlineMs !== undefined) after(deadlineMs, () => stop(tooLong(program, deadlineMs)));
  try {
    const code = await closed.promise;
    if (stopped) throw stopped.reason;
    return code;
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}

/** EXEC_NOT_FOUND when the program is missing; returns other errors unchanged. */
export function startFailed(program: string, error: Error): Error {
  if (!isErrno(error, 'ENOENT', 'EACCES')) return error;
  return new AppError('EXEC_NOT_FOUND', `Cannot run "${program}": it is not installed or not executable`, {
    details: { program },
    cause: error,
  });
}

function tooLong(program: string, deadlineMs: number): AppError {
  return new AppError(
    'EXEC_FAILED',
    `Cannot finish "${program}": it ran longer than ${formatTime(deadlineMs)}`,
    {
      details: { program, deadlineMs },
    },
  );
}

function hasExited(child: Child): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function kill(child: Child, { signal, isGroup }: { signal: NodeJS.Signals; isGroup: boolean }): void {
  const { pid } = child;
  if (pid === undefined) return;
  try {
    if (isGroup) process.kill(-pid, signal);
    else child.kill(signal);
  } catch (error) {
    // The group is empty, or has only programs that run as another user and end by themselves, such as
    // newuidmap.
    if (!isErrno(error, 'ESRCH', 'EPERM')) throw error;
  }
}

function bytesRead(outputs: readonly Readable[]): number {
  return outputs.reduce((sum, output) => sum + (output as Socket).bytesRead, 0);
}

/** False while a slow reader holds output back, which does not mean that a process keeps the output open. */
function isAllTaken(outputs: readonly Readable[]): boolean {
  return outputs.every((output) => output.readableFlowing !== false && output.readableLength === 0);
}
