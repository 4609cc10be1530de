import { AppError } from '../base/errors.ts';

/**
 * Signals that may be sent to a VMM: those that end a process. STOP, TSTP and CONT are not among them,
 * because a stopped VMM looks like one that hangs; nor are signals that have only a number.
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
 * Returns the signal with this name, in upper or lower case, with or without `SIG`.
 *
 * @throws {AppError} VM_SIGNAL_INVALID listing the allowed ones.
 */
export function parseVmmSignal(text: string): VmmSignal {
  const name = text.toUpperCase();
  const found = VMM_SIGNALS.find((signal) => signal === name || signal === `SIG${name}`);
  if (found) return found;
  throw new AppError(
    'VM_SIGNAL_INVALID',
    `Cannot use ${JSON.stringify(text.slice(0, 40))} for --signal: it does not end a VM`,
    {
      hint: `use one of ${VMM_SIGNALS.map((signal) => signal.slice(3)).join(', ')}`,
      details: { field: 'signal', value: text },
    },
  );
}
