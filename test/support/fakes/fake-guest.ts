import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import type { Duplex } from 'node:stream';
import { type IPty, spawn as spawnPty } from '@lydell/node-pty';
import { encodeFrame, encodeJsonFrame, FRAME, FrameDecoder } from '../../../src/protocol/exec-frames.ts';
import type { ExecExit, ExecStart } from '../../../src/protocol/guest.ts';

/** What the guest side of one exec stream saw. */
export interface GuestRecord {
  start: ExecStart;
  signals: string[];
  sizes: { rows: number; cols: number }[];
  stdinBytes: number;
  isStdinEnded: boolean;
  /** the host hung up before the command's exit */
  isHungUp: boolean;
}

/**
 * The guest side of an exec stream: runs the command as a process of this host, with pipes or a real pty, and
 * speaks the agent's frames. Output stops while the stream is full, input is acknowledged as the command
 * takes it, and the command is killed when the host goes.
 */
export function serveGuest(stream: Duplex, onStart: (record: GuestRecord) => void): void {
  const decoder = new FrameDecoder();
  let running: Running | undefined;
  stream.on('data', (chunk: Buffer) => {
    for (const frame of decoder.push(chunk)) {
      if (frame.type === FRAME.start) {
        const start = JSON.parse(frame.payload.toString()) as ExecStart;
        const record: GuestRecord = {
          start,
          signals: [],
          sizes: [],
          stdinBytes: 0,
          isStdinEnded: false,
          isHungUp: false,
        };
        onStart(record);
        running = start.pty ? startPty(stream, record) : startPipes(stream, record);
      } else running?.take(frame.type, frame.payload);
    }
  });
  stream.on('error', () => {});
  // An HTTP server keeps a half-closed connection open, so the end of its input is the only sign that the
  // host is gone.
  stream.on('end', () => stream.destroy());
  stream.on('close', () => running?.hangUp());
}

interface Running {
  take(type: number, payload: Buffer): void;
  hangUp(): void;
}

function startPipes(stream: Duplex, record: GuestRecord): Running {
  const argv = wordsOf(record.start);
  const child = spawn(argv[0] ?? '', argv.slice(1), {
    cwd: existingFolder(record.start.cwd),
    env: {
      PATH: process.env['PATH'],
      HOME: tmpdir(),
      SHELL: '/bin/sh',
      ...record.start.env,
    } as NodeJS.ProcessEnv,
    detached: true,
    stdio: 'pipe',
  });
  let isOver = false;
  const send = (bytes: Buffer): boolean => stream.destroyed || stream.write(bytes);
  const last = (type: number, value: unknown): void => {
    if (isOver) return;
    isOver = true;
    stream.end(encodeJsonFrame(type, value));
  };
  for (const [type, output] of [
    [FRAME.stdout, child.stdout],
    [FRAME.stderr, child.stderr],
  ] as const) {
    output.on('data', (chunk: Buffer) => {
      if (send(encodeFrame(type, chunk))) return;
      output.pause();
      stream.once('drain', () => output.resume());
    });
  }
  child.on('spawn', () => send(encodeJsonFrame(FRAME.started, { pid: child.pid })));
  child.on('error', (error: NodeJS.ErrnoException) => {
    const code =
      error.code === 'ENOENT' ? 'not_found' : error.code === 'EACCES' ? 'not_executable' : 'failed';
    last(FRAME.error, { code, message: code === 'not_found' ? 'no such command' : error.message });
  });
  child.on('close', (code, signal) => last(FRAME.exit, exitOf(code, signal)));
  child.stdin.on('error', () => {});
  return {
    take(type, payload) {
      if (type === FRAME.stdin) takeInput(child, { stream, record, payload });
      if (type === FRAME.stdinEnd) {
        record.isStdinEnded = true;
        child.stdin.end();
      }
      if (type === FRAME.signal) {
        const { signal } = JSON.parse(payload.toString()) as { signal: NodeJS.Signals };
        record.signals.push(signal);
        killGroup(child, signal);
      }
    },
    hangUp() {
      if (isOver) return;
      record.isHungUp = true;
      killGroup(child, 'SIGKILL');
    },
  };
}

function takeInput(
  child: ChildProcess,
  { stream, record, payload }: { stream: Duplex; record: GuestRecord; payload: Buffer },
): void {
  // A copy: the decoder's view does not outlive this call.
  const bytes = Buffer.from(payload);
  record.stdinBytes += bytes.length;
  child.stdin?.write(bytes, () => {
    const ack = Buffer.alloc(4);
    ack.writeUInt32BE(bytes.length);
    if (!stream.destroyed && !stream.writableEnded) stream.write(encodeFrame(FRAME.stdinAck, ack));
  });
}

function startPty(stream: Duplex, record: GuestRecord): Running {
  const argv = wordsOf(record.start);
  const { rows = 24, cols = 80, term = 'xterm' } = record.start.pty ?? {};
  let isOver = false;
  const pty: IPty = spawnPty(argv[0] ?? '', argv.slice(1), {
    rows,
    cols,
    name: term,
    cwd: '/',
    env: { PATH: process.env['PATH'] ?? '', SHELL: '/bin/sh', PS1: 'guest$ ', TERM: term },
    encoding: null,
  });
  stream.write(encodeJsonFrame(FRAME.started, { pid: pty.pid }));
  pty.onData((data) => {
    if (!stream.destroyed) stream.write(encodeFrame(FRAME.stdout, Buffer.from(data)));
  });
  pty.onExit(({ exitCode, signal }) => {
    isOver = true;
    const exit = signal ? exitOf(null, signalName(signal)) : { code: exitCode };
    if (!stream.destroyed) stream.end(encodeJsonFrame(FRAME.exit, exit));
  });
  return {
    take(type, payload) {
      if (type === FRAME.stdin) {
        record.stdinBytes += payload.length;
        pty.write(payload.toString());
        const ack = Buffer.alloc(4);
        ack.writeUInt32BE(payload.length);
        stream.write(encodeFrame(FRAME.stdinAck, ack));
      }
      if (type === FRAME.stdinEnd) record.isStdinEnded = true;
      if (type === FRAME.resize) {
        const size = JSON.parse(payload.toString()) as { rows: number; cols: number };
        record.sizes.push(size);
        pty.resize(size.cols, size.rows);
      }
      if (type === FRAME.signal) {
        const { signal } = JSON.parse(payload.toString()) as { signal: NodeJS.Signals };
        record.signals.push(signal);
        pty.kill(signal);
      }
    },
    hangUp() {
      if (isOver) return;
      record.isHungUp = true;
      pty.kill('SIGKILL');
    },
  };
}

function wordsOf(start: ExecStart): string[] {
  return start.argv.map((word) =>
    typeof word === 'string' ? word : Buffer.from(word.b64, 'base64').toString(),
  );
}

function exitOf(code: number | null, signal: NodeJS.Signals | null): ExecExit {
  return signal ? { signal, number: constants.signals[signal] } : { code: code ?? 0 };
}

function signalName(number: number): NodeJS.Signals {
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return (found?.[0] ?? 'SIGKILL') as NodeJS.Signals;
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Folders of a guest need not exist on this host. */
function existingFolder(cwd: ExecStart['cwd']): string {
  return typeof cwd === 'string' && existsSync(cwd) ? cwd : '/';
}
