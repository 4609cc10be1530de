import { randomBytes } from 'node:crypto';
import type { Abortable } from '../base/abort.ts';
import { abortable } from '../base/async.ts';
import { AppError, isAppError } from '../base/errors.ts';
import type { Operation } from '../protocol/api/operation.ts';
import { errorBodyOf } from '../protocol/error-body.ts';
import type { Report, WorkEvent } from '../protocol/events.ts';

/** Most ended operations that can still be queried, and for how long, in `ms`. */
const MAX_ENDED = 100;
const ENDED_FOR_MS = 10 * 60_000;

/** Most events that are kept of one operation; beyond that, the oldest steps are dropped. */
const MAX_EVENTS = 1_000;

/** An event as it is sent. */
export type SentEvent = WorkEvent<unknown>;

/** How an operation begins. */
export interface OperationStart {
  kind: string;
  target?: string | undefined;
  isDetached: boolean;
  isCancellable: boolean;
}

/**
 * One piece of long work, with its events and its end. Its client and others may follow it, each from its
 * first event.
 */
export class RunningOperation {
  readonly signal: AbortSignal;
  /** settles when it has ended, never rejects */
  readonly ended: Promise<void>;
  readonly #view: Operation;
  readonly #stop = new AbortController();
  readonly #end: () => void;
  readonly #begunAt = performance.now();
  readonly #events: SentEvent[];
  readonly #listeners = new Set<(event: SentEvent) => void>();

  constructor(start: OperationStart) {
    const { kind, target, isDetached, isCancellable } = start;
    const id = `op-${randomBytes(4).toString('hex')}`;
    const startedAt = new Date().toISOString();
    this.#view = { id, kind, state: 'running', isDetached, isCancellable, startedAt };
    if (target !== undefined) this.#view.target = target;
    this.#events = [{ event: 'operation', id }];
    this.signal = this.#stop.signal;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
  }

  /** As the API shows it. */
  get view(): Operation {
    return { ...this.#view };
  }

  /** Reports a step to all followers. */
  readonly report: Report = (event) => {
    if (event.event === 'spec') this.#view.target = event.name;
    if (event.event === 'progress') {
      this.#view.stage = event.stage;
      delete this.#view.detail;
      if (event.detail !== undefined) this.#view.detail = event.detail;
      this.#tell({ ...event, elapsedMs: Math.round(performance.now() - this.#begunAt) });
    } else this.#tell(event);
  };

  /** Ends it successfully. */
  succeed(value: unknown): void {
    this.#finish('done', { event: 'result', value });
  }

  /**
   * Ends it with an error. It counts as cancelled when it was aborted, here or by the operation that ended
   * its VM.
   */
  fail(error: unknown): void {
    const body = errorBodyOf(error);
    this.#view.error = body;
    const isCancelled = this.signal.aborted || isAppError(error, 'OPERATION_CANCELLED');
    this.#finish(isCancelled ? 'cancelled' : 'failed', { event: 'error', error: body });
  }

  /**
   * Asks its work to stop and to undo what it began. Does nothing when it is not cancellable, or has ended.
   */
  abort(reason: AppError): void {
    if (this.#view.isCancellable) this.#stop.abort(reason);
  }

  /** Calls `listener` with the events so far, then with new ones, until disposed of. */
  follow(listener: (event: SentEvent) => void): Disposable {
    for (const event of this.#events) listener(event);
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #finish(state: Operation['state'], event: SentEvent): void {
    this.#view.state = state;
    this.#view.endedAt = new Date().toISOString();
    this.#tell(event);
    this.#end();
  }

  #tell(event: SentEvent): void {
    this.#events.push(event);
    // The first event is the operation's id.
    if (this.#events.length > MAX_EVENTS) this.#events.splice(1, 1);
    for (const listener of this.#listeners) listener(event);
  }
}

/** The long work of one daemon: in progress, or recently ended. */
export class Operations {
  readonly #all = new Map<string, RunningOperation>();

  /** Begins one; the caller runs its work and ends it. */
  begin(start: OperationStart): RunningOperation {
    this.#forgetOld();
    const operation = new RunningOperation(start);
    this.#all.set(operation.view.id, operation);
    return operation;
  }

  /** Operations in progress, oldest first; with `isAll` also recently ended ones. */
  list({ isAll }: { isAll: boolean }): Operation[] {
    this.#forgetOld();
    return [...this.#all.values()]
      .map(({ view }) => view)
      .filter(({ state }) => isAll || state === 'running');
  }

  /** @throws {AppError} OPERATION_NOT_FOUND */
  get(id: string): RunningOperation {
    const found = this.#all.get(id);
    if (found) return found;
    throw new AppError('OPERATION_NOT_FOUND', `Cannot find the operation "${id}"`, {
      hint: 'banger operations list --all',
      details: { id },
    });
  }

  /**
   * Cancels one and waits until it has ended and undone what it began.
   *
   * @throws {AppError} OPERATION_NOT_FOUND; OPERATION_ENDED; OPERATION_NOT_CANCELLABLE.
   */
  async cancel(id: string, { signal }: Abortable): Promise<Operation> {
    const operation = this.get(id);
    const { kind, state, isCancellable } = operation.view;
    if (state !== 'running') {
      throw new AppError('OPERATION_ENDED', `Cannot cancel ${kind} "${id}": it has ended (${state})`, {
        hint: 'there is nothing left to cancel; what runs now: banger operations list',
      });
    }
    if (!isCancellable) {
      throw new AppError(
        'OPERATION_NOT_CANCELLABLE',
        `Cannot cancel ${kind} "${id}": stopping it halfway would do harm`,
        {
          hint: `wait for it: banger operations follow ${id}`,
        },
      );
    }
    operation.abort(new AppError('OPERATION_CANCELLED', `The operation was cancelled: ${kind} "${id}"`));
    await abortable(operation.ended, signal);
    return operation.view;
  }

  /** Aborts everything that runs; does not wait. */
  abortAll(reason: AppError): void {
    for (const operation of this.#all.values()) operation.abort(reason);
  }

  #forgetOld(): void {
    const ended = [...this.#all.values()].filter(({ view }) => view.endedAt !== undefined);
    const tooMany = ended.slice(0, Math.max(0, ended.length - MAX_ENDED));
    for (const { view } of ended) {
      const isOld = Date.now() - Date.parse(view.endedAt ?? '') > ENDED_FOR_MS;
      if (isOld || tooMany.some((other) => other.view.id === view.id)) this.#all.delete(view.id);
    }
  }
}
