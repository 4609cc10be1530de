import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Abortable } from '../base/abort.ts';
import type { Vm } from '../protocol/vm.ts';
import { callForStream, type Transport } from './transport.ts';
import { readWork, resultOf, type WorkNews, type WorkRequest } from './work.ts';

/**
 * VMs that are deleted when the lease is disposed of, or when this process dies, however it dies: the daemon
 * sees the connection close. Disposing returns when the connection is closed, which is before the VMs are
 * gone; who needs them gone deletes them first. Twice is fine.
 */
export interface Lease<T> extends AsyncDisposable {
  /** what was made */
  readonly value: T;
}

/** A VM that lives as long as its {@link Lease}. */
export interface VmLease extends AsyncDisposable {
  readonly vm: Vm;
}

/** How long a lease may take to come about, and who hears of it meanwhile. */
export type LeaseOptions = Abortable & { onNews?: (news: WorkNews) => void };

/**
 * Does work whose request says that what it makes is ephemeral. The lease does not end with `options.signal`
 * any more once it is returned.
 */
export async function leaseWork<T>(
  transport: Transport,
  work: Pick<WorkRequest<T>, 'path' | 'body' | 'result'>,
  options: LeaseOptions,
): Promise<Lease<T>> {
  // The connection has a signal of its own: an abort after the creation must not delete the VM before its
  // user has cleaned up.
  const connection = new AbortController();
  const request: WorkRequest<T> = { ...work, method: 'POST', signal: connection.signal };
  const forward = (): void => connection.abort(options.signal.reason);
  options.signal.throwIfAborted();
  options.signal.addEventListener('abort', forward, { once: true });
  try {
    const response = await callForStream(transport, request);
    try {
      const value = await resultOf(readWork(response, request), options.onNews);
      // What comes after the result is of no interest, but unread bytes would hide the connection's end.
      response.resume();
      return { value, [Symbol.asyncDispose]: () => hangUp(response) };
    } catch (error) {
      response.destroy();
      throw error;
    }
  } finally {
    options.signal.removeEventListener('abort', forward);
  }
}

async function hangUp(response: IncomingMessage): Promise<void> {
  if (response.closed) return;
  const closed = once(response, 'close');
  response.destroy();
  await closed;
}
