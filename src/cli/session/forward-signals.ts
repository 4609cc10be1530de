import { InterruptedError, type Interrupts } from '../context/interrupts.ts';
import type { ListenedSignal } from '../context/io.ts';

/** `ms` within which the same signal again is for us, not for the guest's command. */
const TWICE_MS = 2_000;

/** `ms` that a command may go on after our terminal hung up: nobody is there to end it any more. */
const HANGUP_GRACE_MS = 2_000;

/** What is done with signals while a command runs in the guest. */
export interface ForwardOptions {
  interrupts: Interrupts;
  /** sends a signal to the command's process group */
  send: (signal: ListenedSignal) => void;
  hasTerminal: boolean;
}

/**
 * Passes our signals on to the command until disposed of. The same one twice within 2 s ends us. With a
 * terminal Ctrl-C is a key, so what arrives as a signal comes from elsewhere: SIGTERM, SIGHUP and SIGQUIT
 * then end us, and the guest's session with us.
 */
export function forwardSignals({ interrupts, send, hasTerminal }: ForwardOptions): Disposable {
  let last: { signal: ListenedSignal; at: number } | undefined;
  let hangup: NodeJS.Timeout | undefined;
  const redirect = interrupts.redirect((signal) => {
    const now = performance.now();
    const isRepeated = last?.signal === signal && now - last.at < TWICE_MS;
    last = { signal, at: now };
    if (isRepeated || (hasTerminal && signal !== 'SIGINT')) {
      interrupts.end(new InterruptedError(signal));
      return;
    }
    send(signal);
    if (signal === 'SIGHUP') {
      hangup = setTimeout(() => interrupts.end(new InterruptedError(signal)), HANGUP_GRACE_MS);
    }
  });
  return {
    [Symbol.dispose]: () => {
      clearTimeout(hangup);
      redirect[Symbol.dispose]();
    },
  };
}
