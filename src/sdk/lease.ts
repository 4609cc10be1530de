import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Abortable } from '../base/abort.ts';
import type { Vm } from '../protocol/vm.ts';
import { callForStream, type Transport } from './transport.ts';
import { readWork, resultOf, type WorkNews, type WorkRequest } from './work.ts';

/**
 * VMs that the daemon deletes when the lease is disposed of or this process dies: it sees the connection
 * close. Disposing returns when the connection is closed, before the VMs are deleted; a caller that must wait
 * for that deletes them first. Disposing twice is fine.
 */
export interface Lease<T> extends AsyncDisposable {
  /** what the daemon created */
  readonly value: T;
}

/** A VM that lives as long as its {@link Lease}. */
export interface VmLease extends AsyncDisposable {
  readonly vm: Vm;
}

/** Cancels the creation of a lease, and follows it. */
export type LeaseOptions = Abortable & { onNews?: (news: WorkNews) => void };

/**
 * Requests work that creates something ephemeral. `options.signal` cancels the request; once the lease is
 * returned, it no longer has an effect.
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
      // Nothing useful follows the result, but unread bytes would hide the end of the connection.
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
