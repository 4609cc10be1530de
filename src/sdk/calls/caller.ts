import type { Duplex } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import { anything } from '../../base/json-schema/build.ts';
import type { Schema } from '../../base/json-schema/schema.ts';
import { done } from '../../protocol/api/common.ts';
import { type Vm, vm } from '../../protocol/vm.ts';
import { type Lease, type LeaseOptions, leaseWork } from '../lease.ts';
import { type ApiRequest, callForBytes, callForJson, callForUpgrade, type Transport } from '../transport.ts';
import { openWork, type Work } from '../work.ts';

type Method = ApiRequest['method'];

/** The body of a call, and the signal that cancels it. */
export type CallOptions = Abortable & { body?: unknown };

/** How a call whose answer is one JSON value waits for it. */
type AnswerOptions = Abortable & Pick<ApiRequest, 'answerDeadlineMs'>;

/** Calls over one transport. They throw the errors of `transport.ts` and `work.ts`. */
export class Caller {
  readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  get<T>(path: string, answer: Schema<T>, { signal, answerDeadlineMs }: AnswerOptions): Promise<T> {
    return callForJson(this.transport, { method: 'GET', path, signal, answerDeadlineMs, answer });
  }

  post<T>(path: string, answer: Schema<T>, options: CallOptions & AnswerOptions): Promise<T> {
    const { signal, body, answerDeadlineMs } = options;
    return callForJson(this.transport, { method: 'POST', path, body, signal, answerDeadlineMs, answer });
  }

  /** A call whose answer says only that it was done. */
  async settle(method: Method, path: string, { signal }: Abortable): Promise<void> {
    await callForJson(this.transport, { method, path, signal, answer: done });
  }

  bytes(path: string, { signal }: Abortable): AsyncGenerator<Buffer, void, undefined> {
    return callForBytes(this.transport, { method: 'GET', path, signal });
  }

  upgrade(path: string, upgrade: string, { signal }: Abortable): Promise<Duplex> {
    return callForUpgrade(this.transport, { method: 'POST', path, upgrade, signal });
  }

  /** Long work. */
  work<T>(path: string, result: Schema<T>, { signal, body }: CallOptions): Work<T> {
    return openWork(this.transport, { method: 'POST', path, body, signal, result });
  }

  /** Long work that some client has started. */
  follow(path: string, { signal }: Abortable): Work<unknown> {
    return openWork(this.transport, { method: 'GET', path, signal, result: anything() });
  }

  /** Long work on a VM; its result is that VM. */
  vmWork(path: string, { method = 'POST', signal, body }: CallOptions & { method?: Method }): Work<Vm> {
    return openWork(this.transport, { method, path, body, signal, result: vm });
  }

  /** Long work whose result lasts until the lease is disposed of. */
  lease<T>(path: string, result: Schema<T>, options: LeaseOptions & CallOptions): Promise<Lease<T>> {
    return leaseWork(this.transport, { path, body: options.body, result }, options);
  }
}
