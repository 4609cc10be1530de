import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { type Abortable, onAbort } from '../abort.ts';
import { AppError, isErrno } from '../errors.ts';
import { formatTime } from '../text/words.ts';

/** What {@link childEnd} uses of one of Node's child processes. */
export interface Child extends EventEmitter {
  readonly pid?: number | undefined;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly exitCode: number | null;
  readonly signalCode: NodeJS.Signals | null;
  kill(signal: NodeJS.Signals): boolean;
  unref(): void;
}

/** How {@link childEnd} waits, and what it ends the child for. */
export interface EndOptions extends Abortable {
  /** `argv[0]`, for errors */
  program: string;
  /** aborts when the child's input failed */
  inputFailed: AbortSignal;
  /** `ms` the child may run; none for a program that the user sees and can interrupt */
  deadlineMs?: number;
  /** `ms` between SIGTERM and SIGKILL; default 2,000 */
  graceMs?: number;
  /** the child leads a process group of its own, and the whole group ends with it */
  isGroup: boolean;
}

/** How often the output of a child that has exited is looked at. */
const DRAIN_MS = 1_000;
/** After this the kernel cannot end the child: it waits for a file system that does not answer. */
const UNKILLABLE_MS = 5_000;

/**
 * Waits until a child has exited and its output has been read, and returns its status, 128+n for a signal.
 *
 * The child's process group is killed as soon as the child itself exits, so a process that it left behind
 * neither runs on nor keeps the output open. Output that a process outside the group keeps open is dropped
 * once nothing has come for a second.
 *
 * When the signal aborts, the input fails or the deadline passes, the group gets SIGTERM, then SIGKILL, and
 * the promise rejects with the first of these reasons after the child has exited, or 5 s after SIGKILL when
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

/** EXEC_NOT_FOUND for a program that cannot be started because it is not there; other errors as they are. */
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
    // Nobody is left in the group, or only programs that run as somebody else and end by themselves, as
    // newuidmap does.
    if (!isErrno(error, 'ESRCH', 'EPERM')) throw error;
  }
}

function bytesRead(outputs: readonly Readable[]): number {
  return outputs.reduce((sum, output) => sum + (output as Socket).bytesRead, 0);
}

/** False while a slow reader holds output back: that is no sign of a process that keeps it open. */
function isAllTaken(outputs: readonly Readable[]): boolean {
  return outputs.every((output) => output.readableFlowing !== false && output.readableLength === 0);
}
