import { constants } from 'node:os';
import { AppError } from '../../base/errors.ts';
import type { ListenedSignal, SignalSource } from './io.ts';

/** The user, or the system, ended the command with a signal. */
export class InterruptedError extends AppError {
  /** 128 + the signal's number, as in a shell */
  readonly exitCode: number;

  constructor(signal: ListenedSignal) {
    super('INTERRUPTED', signal === 'SIGINT' ? 'Interrupted' : `Ended by ${signal}`);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/** How this process's signals end a command. */
export interface Interrupts extends Disposable {
  /** aborts at the first signal: the command then ends and cleans up */
  readonly signal: AbortSignal;
  /** aborts at the second signal: cleanup then ends too */
  readonly giveUp: AbortSignal;
  /** Ends the command like a signal. The first reason wins. */
  end(reason: Error): void;
  /** Until disposed of, passes signals to `handler` instead, which may call {@link end}. */
  redirect(handler: (signal: ListenedSignal) => void): Disposable;
}

const ENDING: readonly ListenedSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'];

/** Listens to the signals of `source` until disposed of. */
export function listenToInterrupts(source: SignalSource): Interrupts {
  const first = new AbortController();
  const second = new AbortController();
  let handler: ((signal: ListenedSignal) => void) | undefined;
  const listener = (signal: ListenedSignal): void => {
    if (first.signal.aborted) second.abort(new InterruptedError(signal));
    else if (handler) handler(signal);
    else first.abort(new InterruptedError(signal));
  };
  for (const signal of ENDING) source.on(signal, listener);
  return {
    signal: first.signal,
    giveUp: second.signal,
    end: (reason) => first.abort(reason),
    redirect(next) {
      handler = next;
      return {
        [Symbol.dispose]: () => {
          if (handler === next) handler = undefined;
        },
      };
    },
    [Symbol.dispose]: () => {
      for (const signal of ENDING) source.off(signal, listener);
    },
  };
}
