import { PassThrough } from 'node:stream';
import { type Abortable, withDeadline } from '../../base/abort.ts';
import { abortable } from '../../base/async.ts';
import { isAppError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { execStream } from '../../base/process/exec.ts';
import { LineSplitter } from '../../base/text/line-splitter.ts';
import type { ConnectionEnds, PeerUsers } from '../../core/ports/loopback.ts';

/** `ms` for an answer, which usually takes less than one. */
const ANSWER_DEADLINE_MS = 2_000;

/** The answer for a connection that nobody has, or one of the excluded processes. */
const NOBODY = '-';

/** The program runs as long as this one: the limit of a timer. */
const FOR_EVER_MS = 2 ** 31 - 1;

/** More bytes than an answer has. */
const MAX_ANSWER_BYTES = 64;

/** What a {@link HelperPeerUsers} needs. */
export interface HelperPeerUsersOptions {
  /** the program `banger-host` */
  hostTools: string;
  uid: number;
  log: Logger;
  /** numbers of processes that guests can make connect */
  guestPids: () => readonly number[];
}

interface Helper {
  questions: PassThrough;
  /** one for each question, in order; called with the answer */
  waiting: ((answer: string) => void)[];
}

/**
 * Asks the program `banger-host peers`, because only netlink tells at a bounded cost whose a connection is.
 * Starts it with the first question, and again when it has died.
 */
export class HelperPeerUsers implements PeerUsers, Disposable {
  readonly #program: string;
  readonly #uid: number;
  readonly #log: Logger;
  readonly #guestPids: () => readonly number[];
  readonly #stop = new AbortController();
  #helper: Helper | undefined;
  #hasWarned = false;

  /**
   * Connections that the processes `guestPids` opened are not the user's: a guest with a network of its VMM's
   * may have.
   */
  constructor({ hostTools, uid, log, guestPids }: HelperPeerUsersOptions) {
    this.#guestPids = guestPids;
    this.#program = hostTools;
    this.#uid = uid;
    this.#log = log;
  }

  async isOwn(connection: ConnectionEnds, options: Abortable): Promise<boolean> {
    return (await this.#userOf(connection, options)) === String(this.#uid);
  }

  async isAny(connection: ConnectionEnds, options: Abortable): Promise<boolean> {
    return (await this.#userOf(connection, options)) !== NOBODY;
  }

  /** Ends the program. Idempotent. */
  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  /** The number of the peer's user; {@link NOBODY} when that cannot be found out. */
  async #userOf(connection: ConnectionEnds, { signal }: Abortable): Promise<string> {
    const { localAddress, localPort, remoteAddress, remotePort } = connection;
    const { promise: answer, resolve } = Promise.withResolvers<string>();
    const helper = this.#running();
    helper.waiting.push(resolve);
    const pids = this.#guestPids().map((pid) => ` ${pid}`);
    const question = `${remoteAddress}:${remotePort} ${localAddress}:${localPort}${pids.join('')}\n`;
    helper.questions.write(question);
    try {
      return await withDeadline((inner) => abortable(answer, inner), {
        signal,
        deadlineMs: ANSWER_DEADLINE_MS,
        what: 'the user of a connection',
      });
    } catch (error) {
      if (!isAppError(error, 'WAIT_TIMEOUT')) throw error;
      return NOBODY;
    }
  }

  #running(): Helper {
    if (this.#helper) return this.#helper;
    const helper: Helper = { questions: new PassThrough(), waiting: [] };
    this.#helper = helper;
    void this.#run(helper);
    return helper;
  }

  async #run(helper: Helper): Promise<void> {
    const lines = new LineSplitter(MAX_ANSWER_BYTES);
    try {
      const { stdout, done } = execStream([this.#program, 'peers'], {
        input: helper.questions,
        signal: this.#stop.signal,
        deadlineMs: FOR_EVER_MS,
      });
      for await (const chunk of stdout) for (const line of lines.push(chunk)) helper.waiting.shift()?.(line);
      await done;
    } catch (error) {
      this.#warn(error);
    } finally {
      this.#helper = undefined;
      helper.questions.destroy();
      for (const answer of helper.waiting) answer(NOBODY);
    }
  }

  #warn(error: unknown): void {
    if (this.#stop.signal.aborted || this.#hasWarned) return;
    this.#hasWarned = true;
    this.#log.warn('connections are refused, because their users cannot be found out', { error });
  }
}
