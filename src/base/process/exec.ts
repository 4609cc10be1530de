import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { Socket } from 'node:net';
import { finished, PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Abortable, neverAborts } from '../abort.ts';
import { AppError, isErrno, printable } from '../errors.ts';
import { childEnd, type EndOptions, startFailed } from './child-end.ts';

/** `deadlineMs` for querying a program for its version or features. */
export const PROBE_DEADLINE_MS = 30_000;
/**
 * `deadlineMs` for work whose duration depends on the user's data: a repository, an image, a guest's memory.
 */
export const LONG_WORK_DEADLINE_MS = 3 * 60 * 60_000;

/** How a child process is started; `argv[0]` is looked up in `PATH`. Never a shell. */
export interface ExecOptions extends Abortable {
  cwd?: string;
  /** the whole environment; default: this process's own */
  env?: NodeJS.ProcessEnv;
  /** bytes for its stdin; default: empty */
  input?: Readable | Buffer | string;
  /** a connection that becomes its stdin, instead of `input`; closed on our side */
  stdin?: Socket;
  /** our open files that become its file descriptors 3, 4, ... */
  files?: readonly number[];
  /** exit codes that are not an error; default: `[0]` */
  okCodes?: readonly number[];
  /** most of stdout that is kept, in `bytes`; more is an error; default: 64 MiB */
  maxOutputBytes?: number;
  /** called with each chunk of stderr, for progress */
  onStderr?: (chunk: Buffer) => void;
  /** `ms` between SIGTERM and SIGKILL when the signal aborts; default: 2,000 */
  graceMs?: number;
  /** most `ms` that the program may run; default: 10 minutes */
  deadlineMs?: number;
}

/** The result of a finished child. */
export interface ExecResult {
  code: number;
  stdout: Buffer;
  /** the last 64 KiB of stderr */
  stderr: string;
}

const STDERR_TAIL_BYTES = 64 * 1024;
const DEFAULT_MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const DEFAULT_DEADLINE_MS = 10 * 60_000;

/**
 * Runs a program to its end, in its own session; its descendants end with it. When `signal` aborts, an
 * `input` stream fails or the deadline passes, all of them get SIGTERM, then SIGKILL, and the promise rejects
 * with that reason ({@link childEnd}).
 *
 * @throws {AppError} EXEC_NOT_FOUND when the program is missing; EXEC_FAILED with the tail of stderr when it
 * fails or runs too long.
 */
export async function exec(argv: readonly [string, ...string[]], options: ExecOptions): Promise<ExecResult> {
  options.signal.throwIfAborted();
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: [
      options.stdin ?? (options.input === undefined ? 'ignore' : 'pipe'),
      'pipe',
      'pipe',
      ...(options.files ?? []),
    ],
  });
  options.stdin?.destroy();
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
  const inputFailed = feed(child, { program, input: options.input });
  const code = await childEnd(child, ending(options, { program, inputFailed }));
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
  /** settles when the process has ended; rejects like {@link exec} */
  done: Promise<void>;
}

/**
 * Runs a program and streams its output. The caller reads `stdout` to its end, at any time, and awaits
 * `done`. Fails like {@link exec}.
 */
export function execStream(argv: readonly [string, ...string[]], options: ExecOptions): ExecStream {
  options.signal.throwIfAborted();
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  const stderr = collectTail(child, options.onStderr);
  const inputFailed = feed(child, { program, input: options.input });
  // When a child ends, Node discards output that nobody has begun to read.
  const stdout = new PassThrough();
  stdout.on('error', () => {});
  pipeline(child.stdout as Readable, stdout).catch(() => {});
  const done = childEnd(child, ending(options, { program, inputFailed })).then((code) => {
    if (!(options.okCodes ?? [0]).includes(code)) throw execFailed(argv, code, stderr());
  });
  done.catch(() => {});
  return { stdout, done };
}

/** A process that outlives this one. */
export interface DetachedProcess {
  pid: number;
  /** settles with its result, if it ends while this process still runs */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/**
 * Starts a program in its own session without any pipe to this process, so that it continues when this
 * process is killed. Appends its stdout and stderr to the open file `outputFd`, which the caller closes.
 *
 * @throws {AppError} EXEC_NOT_FOUND when the program is missing.
 */
export async function spawnDetached(
  argv: readonly [string, ...string[]],
  options: { outputFd: number; inputFd?: number; env?: NodeJS.ProcessEnv; cwd?: string },
): Promise<DetachedProcess> {
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    cwd: options.cwd ?? '/',
    env: options.env,
    detached: true,
    stdio: [options.inputFd ?? 'ignore', options.outputFd, options.outputFd],
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
 * Runs a program on this process's own terminal (inherits stdin, stdout, stderr) and returns its exit code,
 * 128+n for a signal. With `isResult: false` its stdout is our stderr.
 *
 * @throws {AppError} EXEC_NOT_FOUND when the program is missing.
 */
export async function execInherit(
  argv: readonly [string, ...string[]],
  { env, isResult = true, ...options }: Abortable & { env?: NodeJS.ProcessEnv; isResult?: boolean },
): Promise<number> {
  const [program, ...args] = argv;
  const stdout = isResult ? ('inherit' as const) : process.stderr.fd;
  const child = spawn(program, args, { stdio: ['inherit', stdout, 'inherit'], ...(env && { env }) });
  return await childEnd(child, { ...options, program, inputFailed: neverAborts(), isGroup: false });
}

function ending(options: ExecOptions, own: { program: string; inputFailed: AbortSignal }): EndOptions {
  const { signal, graceMs, deadlineMs = DEFAULT_DEADLINE_MS } = options;
  return { signal, deadlineMs, isGroup: true, ...own, ...(graceMs !== undefined && { graceMs }) };
}

/**
 * Runs a program on this process's own terminal and returns when it has ended; kills it after `timeoutMs`.
 * Blocks the event loop: only for a program that takes a few ms and must not change the terminal later.
 * Ignores a program that fails or is missing.
 */
export function execInheritSync(
  argv: readonly [string, ...string[]],
  { timeoutMs }: { timeoutMs: number },
): void {
  const [program, ...args] = argv;
  spawnSync(program, args, { stdio: 'inherit', timeout: timeoutMs, killSignal: 'SIGKILL' });
}

/**
 * Writes the child's input. The signal aborts when the input fails, because the child must not mistake what
 * it received for the whole.
 */
function feed(
  child: ChildProcess,
  { program, input }: { program: string; input: ExecOptions['input'] },
): AbortSignal {
  const failed = new AbortController();
  const { stdin } = child;
  if (input === undefined || !stdin) return failed.signal;
  // A child that ends without reading all of its input is no error.
  stdin.on('error', () => {});
  if (typeof input === 'string' || Buffer.isBuffer(input)) {
    stdin.end(input);
    return failed.signal;
  }
  let isWanted = true;
  stdin.once('close', () => {
    isWanted = false;
    input.destroy();
  });
  finished(input, { writable: false }, (error) => {
    if (!error || !isWanted) return;
    failed.abort(isErrno(error, 'ERR_STREAM_PREMATURE_CLOSE') ? inputClosed(program) : error);
    stdin.destroy();
  });
  input.pipe(stdin);
  return failed.signal;
}

function inputClosed(program: string): AppError {
  return new AppError('EXEC_FAILED', `Cannot feed "${program}": its input was closed before its end`);
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
