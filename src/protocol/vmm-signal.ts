import { AppError } from '../base/errors.ts';

/**
 * Signals that a VMM may be sent: those that end a process. None that stops it (STOP, TSTP), goes on with it
 * (CONT), or has a number only: a VMM that stands still looks like one that hangs.
 */
export const VMM_SIGNALS = [
  'SIGTERM',
  'SIGKILL',
  'SIGINT',
  'SIGHUP',
  'SIGQUIT',
  'SIGUSR1',
  'SIGUSR2',
  'SIGABRT',
] as const;
export type VmmSignal = (typeof VMM_SIGNALS)[number];

/**
 * The signal of this name: with or without `SIG`, in any case.
 *
 * @throws {AppError} VM_SIGNAL_INVALID listing those that may be sent.
 */
export function parseVmmSignal(text: string): VmmSignal {
  const name = text.toUpperCase();
  const found = VMM_SIGNALS.find((signal) => signal === name || signal === `SIG${name}`);
  if (found) return found;
  throw new AppError(
    'VM_SIGNAL_INVALID',
    `Cannot use ${JSON.stringify(text.slice(0, 40))} for --signal: a VM is not ended by it`,
    {
      hint: `use one of ${VMM_SIGNALS.map((signal) => signal.slice(3)).join(', ')}`,
      details: { field: 'signal', value: text },
    },
  );
}
