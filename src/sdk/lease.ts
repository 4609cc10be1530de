import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Abortable } from '../base/abort.ts';
import type { CreateVmRequest } from '../protocol/api.ts';
import type { Vm } from '../protocol/vm.ts';
import { isVm } from './answers.ts';
import { callForStream, type Transport } from './transport.ts';
import { readWork, resultOf, type WorkNews, type WorkRequest } from './work.ts';

/**
 * A VM that is deleted when the lease is disposed of, or when this process dies, however it dies: the daemon sees the connection
 * close. Disposing returns when the connection is closed, which is before the VM is gone; who needs it gone deletes it first. Twice is fine.
 */
export interface VmLease extends AsyncDisposable {
  readonly vm: Vm;
}

/** Makes an ephemeral VM. The lease does not end with `options.signal` any more once it is returned. */
export async function leaseVm(
  transport: Transport,
  body: Omit<CreateVmRequest, 'ephemeral'>,
  options: Abortable & { onNews?: (news: WorkNews) => void },
): Promise<VmLease> {
  // The connection has a signal of its own: an abort after the creation must not delete the VM before its user has cleaned up.
  const connection = new AbortController();
  const request: WorkRequest<Vm> = {
    method: 'POST',
    path: '/vms',
    body: { ...body, ephemeral: true } satisfies CreateVmRequest,
    signal: connection.signal,
    isResult: isVm,
  };
  const forward = (): void => connection.abort(options.signal.reason);
  options.signal.throwIfAborted();
  options.signal.addEventListener('abort', forward, { once: true });
  try {
    const response = await callForStream(transport, request);
    try {
      const vm = await resultOf(readWork(response, request), options.onNews);
      // What comes after the result is of no interest, but unread bytes would hide the connection's end.
      response.resume();
      return { vm, [Symbol.asyncDispose]: () => hangUp(response) };
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
