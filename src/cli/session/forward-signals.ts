import { InterruptedError, type Interrupts } from '../context/interrupts.ts';
import type { ListenedSignal } from '../context/io.ts';

/** A signal repeated within this many `ms` ends banger instead of reaching the command. */
const TWICE_MS = 2_000;

/** `ms` that a command may continue after our terminal hung up, when no user is left to end it. */
const HANGUP_GRACE_MS = 2_000;

/** How signals are handled while a command runs in the guest. */
export interface ForwardOptions {
  interrupts: Interrupts;
  /** sends a signal to the command's process group */
  send: (signal: ListenedSignal) => void;
  hasTerminal: boolean;
}

/**
 * Passes our signals on to the command until disposed of. The same signal twice within 2 s ends banger. With
 * a terminal, Ctrl-C is a key and not a signal, so signals come from elsewhere: SIGTERM, SIGHUP and SIGQUIT
 * then end banger, and with it the guest's session.
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
