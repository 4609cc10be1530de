import { EventEmitter } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { main } from '../../../src/cli/cli.ts';
import type { CliIo, InputStream, ListenedSignal, OutputStream } from '../../../src/cli/context/io.ts';
import { resolvePaths } from '../../../src/config/settings.ts';
import type { Vm } from '../../../src/protocol/vm.ts';
import { type FakeDaemon, fakeVm, startFakeDaemon } from '../fakes/fake-daemon.ts';

/** The result of a run of the command line in this process. */
export interface CliResult {
  status: number;
  stdout: string;
  stderr: string;
}

/** Settings of one run; all are optional. */
export interface RunOptions {
  stdin?: InputStream;
  stdout?: OutputStream;
  stderr?: OutputStream;
  env?: Record<string, string>;
  cwd?: string;
  signals?: FakeSignals;
}

/**
 * A temporary home, optionally with a fake daemon at its socket, and the command line run in this process.
 */
export interface CliLab extends AsyncDisposable {
  readonly home: string;
  readonly env: Record<string, string>;
  readonly socketPath: string;
  readonly daemon: FakeDaemon;
  /** Adds a VM to the daemon; fields that are not in `fields` have the values of a running VM. */
  addVm(name: string, fields?: Partial<Vm>): Vm;
  /** The daemon's requests as `METHOD /path`, with `ID` in place of ids of VMs that it made. */
  requestLines(): string[];
  run(argv: readonly string[], options?: RunOptions): Promise<CliResult>;
}

/** The process's signals, sent by the test. */
export class FakeSignals extends EventEmitter {
  /** Delivers a signal as the process would. */
  send(signal: ListenedSignal): void {
    this.emit(signal, signal);
  }
}

/** An output that collects what is written to it; it can act as a pipe or as a terminal. */
export class FakeOutput extends Writable implements OutputStream {
  readonly isTTY: boolean;
  readonly columns: number;
  rows: number;
  text = '';

  constructor({
    isTTY = false,
    columns = 80,
    rows = 24,
  }: { isTTY?: boolean; columns?: number; rows?: number } = {}) {
    super();
    this.isTTY = isTTY;
    this.columns = columns;
    this.rows = rows;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

/** A stdin with these bytes, then its end. */
export function stdinOf(text = ''): InputStream {
  const stdin = new PassThrough();
  stdin.end(text);
  return stdin;
}

/** A stdin that is a terminal and remembers whether it is raw. */
export class FakeTerminalInput extends PassThrough implements InputStream {
  readonly isTTY = true;
  isRaw = false;
  rawChanges: boolean[] = [];

  setRawMode(isRaw: boolean): this {
    this.isRaw = isRaw;
    this.rawChanges.push(isRaw);
    return this;
  }
}

/** Makes a temporary home and, unless the options say otherwise, a fake daemon. */
export async function openCliLab({ hasDaemon = true } = {}): Promise<CliLab> {
  const home = mkdtempSync(join(tmpdir(), 'cli-'));
  const { daemonSocket: socketPath } = resolvePaths({ HOME: home });
  mkdirSync(dirname(socketPath), { recursive: true, mode: 0o700 });
  const env = {
    HOME: home,
    XDG_RUNTIME_DIR: join(home, 'run'),
    PATH: process.env['PATH'] ?? '',
    TERM: 'xterm',
  };
  const daemon = await startFakeDaemon(socketPath);
  if (!hasDaemon) await daemon.die();
  return {
    home,
    env,
    socketPath,
    daemon,
    addVm(name, fields) {
      const vm = fakeVm({ name, ...fields });
      daemon.vms.set(vm.id, vm);
      return vm;
    },
    requestLines: () =>
      daemon.requests.map(({ method, path }) => `${method} ${path.replace(/\/id[0-9a-f]+/, '/ID')}`),
    run: (argv, options = {}) => runCli(argv, { ...options, env: { ...env, ...options.env } }),
    async [Symbol.asyncDispose]() {
      if (hasDaemon) await daemon[Symbol.asyncDispose]();
      // An interrupted command may still be writing to it.
      rmSync(home, { recursive: true, force: true, maxRetries: 10 });
    },
  };
}

/** Runs the command line in this process, with the home and the daemon that `options.env` names. */
export async function runCli(argv: readonly string[], options: RunOptions): Promise<CliResult> {
  const stdout = options.stdout ?? new FakeOutput();
  const stderr = options.stderr ?? new FakeOutput();
  const exitListeners = new Set<() => void>();
  const io: CliIo = {
    stdin: options.stdin ?? stdinOf(),
    stdout,
    stderr,
    env: options.env ?? {},
    cwd: options.cwd ?? '/',
    signals: options.signals ?? new FakeSignals(),
    onExit(listener) {
      exitListeners.add(listener);
      return { [Symbol.dispose]: () => void exitListeners.delete(listener) };
    },
    loadOutputStopper: async () => () => {},
    setCrashStatus: () => {},
    ownArgv: [process.execPath, 'banger.cjs'],
    launcherArgv: [process.execPath],
    daemonArgv: [process.execPath, '-e', 'process.exit(3)'],
    build: { version: 'dev', commit: 'unknown', builtAt: 'unknown' },
  };
  const status = await main(argv, io);
  return { status, stdout: textOf(stdout), stderr: textOf(stderr) };
}

function textOf(stream: OutputStream): string {
  return stream instanceof FakeOutput ? stream.text : '';
}
