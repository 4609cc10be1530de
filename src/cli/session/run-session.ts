import { formatTime } from '../../base/text/words.ts';
import type { ExecExit, ExecStart } from '../../protocol/guest.ts';
import type { BangerClient } from '../../sdk/client.ts';
import type { ExecSession } from '../../sdk/exec-session.ts';
import type { CommandContext } from '../context/context.ts';
import { InterruptedError } from '../context/interrupts.ts';
import type { Sink } from '../context/output.ts';
import { exactStart } from './exact-start.ts';
import { forwardSignals } from './forward-signals.ts';
import { LastLine } from './last-line.ts';
import { pumpStdin } from './pump-stdin.ts';
import { type RawTerminal, takeTerminal, terminalSize } from './raw-terminal.ts';
import { wantsTerminal } from './wants-terminal.ts';

/** Terminal type that is passed on when ours is unknown. */
const DEFAULT_TERM = 'xterm';

/** What to run, and how it is connected to this process. */
export interface GuestRun {
  vmId: string;
  /** text from the command line and the environment, with bytes that are not UTF-8 escaped */
  start: Omit<ExecStart, 'pty'>;
  /** a login shell instead of a command of the user */
  isShell: boolean;
  /** whether it gets a terminal; by default this depends on our own streams */
  hasTerminal?: boolean | undefined;
  /** receives its stdout instead of our stdout */
  stdoutTo?: Sink;
  /** after which the guest ends it */
  timeoutMs?: number | undefined;
}

/**
 * Runs a command in the guest with our stdin, stdout, stderr, signals and terminal, and returns how it ended.
 * When this returns or throws, the terminal is restored and stdin is no longer read.
 */
export async function runInGuest(
  client: BangerClient,
  run: GuestRun,
  context: CommandContext,
): Promise<ExecExit> {
  const { io, signal } = context;
  const hasTerminal = wantsTerminal({
    isStdinTerminal: io.stdin.isTTY === true,
    isStdoutTerminal: io.stdout.isTTY === true,
    isStderrTerminal: io.stderr.isTTY === true,
    isShell: run.isShell,
    isForced: run.hasTerminal,
  });
  const start: ExecStart = hasTerminal
    ? { ...exactStart(run.start), pty: { ...terminalSize(io), term: io.env['TERM'] || DEFAULT_TERM } }
    : exactStart(run.start);
  const isOurTerminal = hasTerminal && io.stdin.isTTY === true;
  const stopOutputProcessing = isOurTerminal ? await io.loadOutputStopper() : undefined;
  context.spans.begin('command');
  using session = await client.exec(run.vmId, start, { signal, timeoutMs: run.timeoutMs });
  context.progress.clear();
  using _signals = forwardSignals({
    interrupts: context.interrupts,
    send: (name) => session.sendSignal(name),
    hasTerminal,
  });
  using terminal = stopOutputProcessing
    ? takeTerminal(io, { stopOutputProcessing, onResize: (size) => session.resize(size) })
    : undefined;
  using _stdin = pumpStdin(io.stdin, {
    target: session,
    // A terminal whose input ends has hung up; SIGHUP may follow later, or not at all.
    onEnd: () => {
      if (isOurTerminal) context.interrupts.end(new InterruptedError('SIGHUP'));
    },
  });
  return await passOutput(session, { run, context, terminal });
}

async function passOutput(
  session: ExecSession,
  { run, context, terminal }: { run: GuestRun; context: CommandContext; terminal: RawTerminal | undefined },
): Promise<ExecExit> {
  const { signal } = context;
  const stdout = run.stdoutTo ?? context.stdout;
  const lastLine = new LastLine();
  using _below = {
    [Symbol.dispose]: () => {
      if (context.stderr.isTerminal && lastLine.isOpen) context.progress.below();
    },
  };
  for await (const event of session.output()) {
    switch (event.kind) {
      case 'stdout':
        terminal?.see(event.chunk);
        if (stdout.isTerminal) lastLine.see(event.chunk);
        await stdout.write(event.chunk, { signal });
        break;
      case 'stderr':
        if (context.stderr.isTerminal) lastLine.see(event.chunk);
        await context.stderr.write(event.chunk, { signal });
        break;
      default:
        terminal?.endedWell();
        if ('timedOut' in event.exit) context.warn(timedOutNotice(run.timeoutMs));
        return event.exit;
    }
  }
  throw signal.reason;
}

/** What a user is told when a command was ended by its time limit. */
function timedOutNotice(timeoutMs: number | undefined): string {
  const most = timeoutMs === undefined ? 'its time limit' : formatTime(timeoutMs);
  return `the command ran longer than ${most}: it and everything that it had started were ended`;
}

/** Returns the exit status that a shell would report for how a command ended. */
export function statusOfExit(exit: ExecExit): number {
  return 'code' in exit ? exit.code : 128 + exit.number;
}
