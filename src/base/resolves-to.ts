import { lookup } from 'node:dns/promises';
import { type Abortable, withDeadline } from './abort.ts';
import { abortable } from './async.ts';
import { isAppError } from './errors.ts';

/**
 * Whether programs of this host find `address` when they look up `name`: asks as they do (getaddrinfo(3)).
 * False for any other address, for none, and when the resolver has not answered after `deadlineMs`.
 */
export async function resolvesTo(
  name: string,
  { address, deadlineMs, signal }: Abortable & { address: string; deadlineMs: number },
): Promise<boolean> {
  const ask = async (inner: AbortSignal): Promise<boolean> => {
    const found = await abortable(lookup(name, { family: 4 }), inner);
    return found.address === address;
  };
  try {
    return await withDeadline(ask, { signal, deadlineMs, what: 'the resolver of this host' });
  } catch (error) {
    signal.throwIfAborted();
    // A failed look-up has the name of the system call.
    if (isAppError(error, 'WAIT_TIMEOUT') || (error instanceof Error && 'syscall' in error)) return false;
    throw error;
  }
}
