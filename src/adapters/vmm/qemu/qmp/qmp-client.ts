import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { type Abortable, onAbort, withDeadline } from '../../../../base/abort.ts';
import { abortable } from '../../../../base/async.ts';
import { AppError, isAppError } from '../../../../base/errors.ts';
import { LineSplitter } from '../../../../base/text/line-splitter.ts';
import { connectUnix } from '../../../../base/unix-socket.ts';
import { parseQmpMessage, protocolError, type QmpEvent, type QmpMessage } from './qmp-message.ts';

/** How a control connection is used. */
export interface QmpOptions extends Abortable {
  onEvent?: (event: QmpEvent) => void;
}

/** QEMU's longest answer, its schema, is a quarter of this. */
const MAX_LINE_BYTES = 1024 * 1024;
/** QEMU answers within a millisecond; only an overloaded host takes longer. */
const ANSWER_DEADLINE_MS = 10_000;

type Waiter = (answer: QmpMessage | AppError) => void;

/** A control connection to QEMU. Several calls may be in progress; each gets its own answer. */
export class QmpClient implements Disposable {
  /** settles when the connection is gone, never rejects */
  readonly closed: Promise<void>;
  readonly #stream: Duplex;
  readonly #waiters = new Map<number, Waiter>();
  readonly #listeners: ((event: QmpEvent) => void)[];
  #lastId = 0;
  #greeted: Waiter | undefined;
  #failure: AppError | undefined;

  /** Takes over `stream`; {@link openQmp} creates a client that is ready. */
  constructor(stream: Duplex, onEvent?: (event: QmpEvent) => void) {
    this.#stream = stream;
    this.#listeners = onEvent ? [onEvent] : [];
    const lines = new LineSplitter(MAX_LINE_BYTES);
    stream.on('data', (chunk: Buffer) => this.#receive(lines, chunk));
    stream.on('error', (error) => this.#fail(lost(error)));
    stream.on('end', () => stream.destroy());
    this.closed = new Promise((resolve) => {
      stream.once('close', () => {
        this.#fail(lost());
        resolve();
      });
    });
  }

  /** Also passes QEMU's events to `onEvent`, from now on. */
  listen(onEvent: (event: QmpEvent) => void): void {
    this.#listeners.push(onEvent);
  }

  /** Waits for QEMU's first line. */
  async greeting(options: Abortable): Promise<void> {
    await this.#answer(options, (waiter) => {
      this.#greeted = waiter;
    });
  }

  /**
   * Runs one command and returns its result. After an abort the command may still run; its answer is ignored.
   *
   * @throws {AppError} VMM_REFUSED (QEMU's class in `details.class`), VMM_LOST, VMM_PROTOCOL, WAIT_TIMEOUT
   * after 10 s without an answer.
   */
  async execute(
    command: string,
    args: Readonly<Record<string, unknown>>,
    options: Abortable,
  ): Promise<unknown> {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = await withDeadline((signal) => this.#answer({ signal }, send.bind(this)), {
      ...options,
      deadlineMs: ANSWER_DEADLINE_MS,
      what: `the VMM to answer "${command}"`,
    });
    if (answer.kind !== 'error') return answer.kind === 'return' ? answer.value : undefined;
    throw new AppError('VMM_REFUSED', `Cannot run "${command}" in the VMM: ${answer.text}`, {
      details: { command, class: answer.errorClass },
    });

    function send(this: QmpClient, waiter: Waiter): void {
      this.#waiters.set(id, waiter);
      this.#stream.write(`${JSON.stringify({ execute: command, arguments: args, id })}\n`);
    }
  }

  /**
   * The connection's file descriptor, for a program that sends a request together with a descriptor, which
   * Node cannot do. `undefined` when the connection is not a socket of the operating system.
   */
  get fd(): number | undefined {
    const { _handle: handle } = this.#stream as { _handle?: { fd?: number } };
    return handle?.fd;
  }

  /**
   * Waits for the answer to a request that `send` has another program send over this connection, in one
   * piece. `send` receives the request's number.
   *
   * @throws {AppError} as {@link execute}, and what `send` throws.
   */
  async executeThrough(send: (id: number) => Promise<void>, options: Abortable): Promise<void> {
    this.#lastId += 1;
    const id = this.#lastId;
    const [{ kind }] = await withDeadline(
      (signal) => {
        const answer = this.#answer({ signal }, (waiter) => void this.#waiters.set(id, waiter));
        return Promise.all([answer, send(id)]);
      },
      { ...options, deadlineMs: ANSWER_DEADLINE_MS, what: 'the VMM to take a connection' },
    );
    if (kind === 'error')
      throw new AppError('VMM_REFUSED', 'Cannot pass a connection to the VMM: it refuses');
  }

  /** Closes the connection; calls in progress fail with VMM_LOST. Idempotent. */
  [Symbol.dispose](): void {
    this.#stream.destroy();
    this.#fail(lost());
  }

  async #answer({ signal }: Abortable, start: (waiter: Waiter) => void): Promise<QmpMessage> {
    signal.throwIfAborted();
    if (this.#failure) throw this.#failure;
    const { promise, resolve, reject } = Promise.withResolvers<QmpMessage>();
    // The waiter stays registered after an abort, so that the late answer is ignored instead of being a
    // protocol error.
    using _listener = onAbort(signal, () => reject(signal.reason));
    start((answer) => (answer instanceof AppError ? reject(answer) : resolve(answer)));
    return await promise;
  }

  #receive(lines: LineSplitter, chunk: Buffer): void {
    if (this.#failure) return;
    try {
      for (const line of lines.push(chunk)) this.#dispatch(parseQmpMessage(line));
    } catch (error) {
      this.#fail(
        error instanceof AppError && error.code === 'VMM_PROTOCOL'
          ? error
          : protocolError('a line is too long', error),
      );
      this.#stream.destroy();
    }
  }

  #dispatch(message: QmpMessage): void {
    switch (message.kind) {
      case 'event':
        for (const tell of this.#listeners) tell(message);
        return;
      case 'greeting':
        if (!this.#greeted) throw protocolError('it sent a second greeting');
        this.#greeted(message);
        this.#greeted = undefined;
        return;
      case 'return':
      case 'error': {
        const waiter = this.#waiters.get(message.id);
        if (!waiter) throw protocolError(`it answered request ${message.id}, which is not open`);
        this.#waiters.delete(message.id);
        waiter(message);
      }
    }
  }

  #fail(reason: AppError): void {
    this.#failure ??= reason;
    const waiters = [...this.#waiters.values(), ...(this.#greeted ? [this.#greeted] : [])];
    this.#waiters.clear();
    this.#greeted = undefined;
    for (const waiter of waiters) waiter(this.#failure);
  }
}

/**
 * Makes the connection on `stream` ready for commands. Closes it after a failure.
 *
 * @throws {AppError} as {@link QmpClient.execute}
 */
export async function openQmp(stream: Duplex, { signal, onEvent }: QmpOptions): Promise<QmpClient> {
  const client = new QmpClient(stream, onEvent);
  try {
    await client.greeting({ signal });
    await client.execute('qmp_capabilities', {}, { signal });
    return client;
  } catch (error) {
    client[Symbol.dispose]();
    throw error;
  }
}

/**
 * Connects to QEMU's control socket. QEMU serves one connection at a time: a second one gets its greeting
 * only after the first is closed.
 *
 * @throws {AppError} as {@link QmpClient.execute}; errno `ENOENT` or `ECONNREFUSED` when nobody listens.
 */
export async function connectQmp(path: string, options: QmpOptions): Promise<QmpClient> {
  options.signal.throwIfAborted();
  const socket = connectUnix(path);
  try {
    await abortable(once(socket, 'connect'), options.signal);
  } catch (error) {
    socket.destroy();
    throw error;
  }
  return await openQmp(socket, options);
}

function lost(cause?: unknown): AppError {
  return new AppError('VMM_LOST', 'Cannot reach the VMM any more: its control connection is closed', {
    cause,
  });
}

/**
 * Waits for a command that QEMU may refuse because it comes too late.
 *
 * @throws {AppError} what the command throws, except VMM_REFUSED.
 */
export async function unlessRefused(command: Promise<unknown>): Promise<void> {
  try {
    await command;
  } catch (error) {
    if (!isAppError(error, 'VMM_REFUSED')) throw error;
  }
}
