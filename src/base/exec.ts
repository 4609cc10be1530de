import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { type Abortable, onAbort } from './abort.ts';
import { AppError, isErrno, printable } from './errors.ts';

/** How a child process is started; `argv[0]` is looked up in `PATH`. Never a shell. */
export interface ExecOptions extends Abortable {
  cwd?: string;
  /** the whole environment; default: this process's own */
  env?: NodeJS.ProcessEnv;
  /** bytes for its stdin; default: empty */
  input?: Readable | Buffer | string;
  /** exit codes that are not an error; default `[0]` */
  okCodes?: readonly number[];
  /** most of stdout that is kept, in `bytes`; more is an error; default 64 MiB */
  maxOutputBytes?: number;
  /** called with each chunk of stderr, for progress */
  onStderr?: (chunk: Buffer) => void;
  /** `ms` between SIGTERM and SIGKILL when the signal aborts; default 2,000 */
  graceMs?: number;
}

/** What a finished child left. */
export interface ExecResult {
  code: number;
  stdout: Buffer;
  /** the last 64 KiB of stderr */
  stderr: string;
}

const STDERR_TAIL_BYTES = 64 * 1024;
const DEFAULT_MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/**
 * Runs a program to its end. When `signal` aborts, the process gets SIGTERM, then SIGKILL; the promise rejects with the
 * abort reason after it has gone.
 *
 * @throws {AppError} EXEC_NOT_FOUND when the program is missing, EXEC_FAILED with the tail of stderr when it fails.
 */
export async function exec(argv: readonly [string, ...string[]], options: ExecOptions): Promise<ExecResult> {
  options.signal.throwIfAborted();
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  const out: Buffer[] = [];
  let outBytes = 0;
  let overflow = false;
  const maxBytes = options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES;
  child.stdout?.on('data', (chunk: Buffer) => {
    outBytes += chunk.length;
    if (outBytes <= maxBytes) out.push(chunk);
    else if (!overflow) {
      overflow = true;
      child.kill('SIGKILL');
    }
  });
  const stderr = collectTail(child, options.onStderr);
  feed(child, options.input);
  const code = await ended(child, { ...options, program });
  if (overflow) {
    throw new AppError(
      'EXEC_FAILED',
      `Cannot use the output of "${program}": it is longer than ${maxBytes} bytes`,
    );
  }
  if (!(options.okCodes ?? [0]).includes(code)) throw execFailed(argv, code, stderr());
  return { code, stdout: Buffer.concat(out), stderr: stderr() };
}

/** A child whose stdout is read while it runs. */
export interface ExecStream {
  stdout: Readable;
  /** settles when the process has ended; rejects as {@link exec} does */
  done: Promise<void>;
}

/** Runs a program whose output is streamed. The caller reads `stdout` to its end and awaits `done`. Errors as {@link exec}. */
export function execStream(argv: readonly [string, ...string[]], options: ExecOptions): ExecStream {
  options.signal.throwIfAborted();
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  const stderr = collectTail(child, options.onStderr);
  feed(child, options.input);
  const done = ended(child, { ...options, program }).then((code) => {
    if (!(options.okCodes ?? [0]).includes(code)) throw execFailed(argv, code, stderr());
  });
  done.catch(() => {});
  return { stdout: child.stdout as Readable, done };
}

/** A process that outlives us. */
export interface DetachedProcess {
  pid: number;
  /** settles with how it ended, when it does so while we still run */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/**
 * Starts a program in a session of its own with no pipe to us, so that it goes on when we are killed. Its stdout and stderr are
 * appended to the open file `outputFd`, which the caller closes.
 *
 * @throws {AppError} EXEC_NOT_FOUND when the program is missing.
 */
export async function spawnDetached(
  argv: readonly [string, ...string[]],
  options: { outputFd: number; env?: NodeJS.ProcessEnv; cwd?: string },
): Promise<DetachedProcess> {
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd ?? '/',
    env: options.env,
    detached: true,
    stdio: ['ignore', options.outputFd, options.outputFd],
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(startFailed(program, error)));
  });
  child.unref();
  return { pid: child.pid as number, exited };
}

/**
 * Runs a program on this process's own terminal (stdin, stdout, stderr inherited) and gives its exit code, 128+n for a signal.
 *
 * @throws {AppError} EXEC_NOT_FOUND when the program is missing.
 */
export async function execInherit(argv: readonly [string, ...string[]], options: Abortable): Promise<number> {
  const [program, ...args] = argv;
  return await ended(spawn(program, args, { stdio: 'inherit' }), { ...options, program });
}

function feed(child: ChildProcess, input: ExecOptions['input']): void {
  if (input === undefined || !child.stdin) return;
  // A child that ends without reading all of its input is not an error of ours.
  child.stdin.on('error', () => {});
  if (typeof input === 'string' || Buffer.isBuffer(input)) child.stdin.end(input);
  else input.pipe(child.stdin);
}

function collectTail(child: ChildProcess, onChunk?: (chunk: Buffer) => void): () => string {
  let tail = Buffer.alloc(0);
  child.stderr?.on('data', (chunk: Buffer) => {
    onChunk?.(chunk);
    tail = Buffer.concat([tail, chunk]);
    if (tail.length > STDERR_TAIL_BYTES) tail = tail.subarray(tail.length - STDERR_TAIL_BYTES);
  });
  return () => tail.toString('utf8');
}

async function ended(
  child: ChildProcess,
  options: Abortable & { program: string; graceMs?: number },
): Promise<number> {
  let killTimer: NodeJS.Timeout | undefined;
  // A grandchild that the child left behind may hold its output open for as long as it likes.
  const dropOutput = (): void => {
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const hasExited = (): boolean => child.exitCode !== null || child.signalCode !== null;
  using _listener = onAbort(options.signal, () => {
    if (hasExited()) return dropOutput();
    child.once('exit', dropOutput);
    child.kill('SIGTERM');
    killTimer = setTimeout(() => child.kill('SIGKILL'), options.graceMs ?? 2_000);
  });
  try {
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', (error) => reject(startFailed(options.program, error)));
      child.once('close', (code, signal) => resolve(code ?? 128 + (signal ? constants.signals[signal] : 0)));
    });
    options.signal.throwIfAborted();
    return code;
  } finally {
    clearTimeout(killTimer);
  }
}

function startFailed(program: string, error: Error): Error {
  if (!isErrno(error, 'ENOENT', 'EACCES')) return error;
  return new AppError('EXEC_NOT_FOUND', `Cannot run "${program}": it is not installed or not executable`, {
    details: { program },
    cause: error,
  });
}

function execFailed(argv: readonly string[], code: number, stderr: string): AppError {
  const lines = stderr.trim().split('\n');
  const last = printable(lines.slice(-3).join(' | ')).slice(-600);
  return new AppError(
    'EXEC_FAILED',
    `Command "${argv[0]}" failed with status ${code}${last ? `: ${last}` : ''}`,
    {
      details: { argv: argv.slice(0, 8), code },
    },
  );
}
