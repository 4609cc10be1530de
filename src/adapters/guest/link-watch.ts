import type http2 from 'node:http2';
import { AppError } from '../../base/errors.ts';
import { formatTime } from '../../base/words.ts';

/** How long a link may be silent, in `ms`. */
export interface WatchTimes {
  /**
   * without any byte from the guest while a request is open; then it is asked for one (a PING of HTTP/2, RFC
   * 9113 section 6.7)
   */
  quietMs: number;
  /** without any byte after that; then the link counts as lost */
  silentMs: number;
  /** in place of `silentMs` while a request of a start is open */
  startingMs: number;
}

/**
 * An emulated guest on a busy host may need seconds to be given a processor at all. One that boots uses all
 * of its processors, and its agent waits its turn among them: a start has a deadline of its own, and a VMM
 * that ends is noticed at once.
 */
export const WATCH_TIMES: WatchTimes = { quietMs: 5_000, silentMs: 15_000, startingMs: 90_000 };

/** How a link is watched. */
export interface LinkWatchOptions extends WatchTimes {
  /** the error that a silent link ends with, in place of GUEST_LOST */
  whySilent?: (() => AppError | undefined) | undefined;
}

/** Looks in the shorter of the two times. */
const LOOKS = 4;

/**
 * Ends a session whose other side is gone without a word, or hangs, with GUEST_LOST: nothing else would tell,
 * for the guest's port stays open when its agent dies. A link that has nothing to do is left in peace, and
 * nothing wakes its guest.
 */
export class LinkWatch implements Disposable {
  readonly #session: http2.ClientHttp2Session;
  readonly #bytesRead: () => number;
  readonly #times: LinkWatchOptions;
  readonly #everyMs: number;
  #openCount = 0;
  #startCount = 0;
  #timer: NodeJS.Timeout | undefined;
  #heard = { bytes: -1, at: 0 };
  #askedAt: number | undefined;
  #lookedAt = 0;

  constructor(session: http2.ClientHttp2Session, bytesRead: () => number, times: LinkWatchOptions) {
    this.#session = session;
    this.#bytesRead = bytesRead;
    this.#times = times;
    this.#everyMs = Math.min(times.quietMs, times.silentMs) / LOOKS;
    session.once('close', () => this[Symbol.dispose]());
  }

  /** A request begins; the watch lasts until `stream` closes. `isStart`: it is part of a guest's start. */
  requested(stream: http2.ClientHttp2Stream, { isStart }: { isStart: boolean }): void {
    this.#openCount += 1;
    if (isStart) this.#startCount += 1;
    stream.once('close', () => {
      this.#openCount -= 1;
      if (isStart) this.#startCount -= 1;
    });
    if (this.#timer || this.#session.destroyed) return;
    const now = performance.now();
    this.#heard = { bytes: this.#bytesRead(), at: now };
    this.#lookedAt = now;
    // A daemon that stops does not wait for it.
    this.#timer = setInterval(() => this.#look(), this.#everyMs).unref();
  }

  /** Looks no more. Idempotent. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = performance.now();
    const sinceLookMs = now - this.#lookedAt;
    this.#lookedAt = now;
    const bytes = this.#bytesRead();
    if (bytes !== this.#heard.bytes || sinceLookMs > 2 * this.#everyMs) {
      // When we ourselves were held up, what the guest has sent meanwhile is not read yet.
      this.#heard = { bytes, at: now };
      this.#askedAt = undefined;
    }
    if (this.#askedAt !== undefined) {
      const { quietMs, silentMs, startingMs } = this.#times;
      const limitMs = this.#startCount > 0 ? startingMs : silentMs;
      if (now - this.#askedAt < limitMs) return;
      this.#session.destroy(this.#times.whySilent?.() ?? silent(quietMs + limitMs));
    } else if (this.#openCount === 0) this[Symbol.dispose]();
    else if (now - this.#heard.at >= this.#times.quietMs) {
      this.#askedAt = now;
      this.#session.ping(() => {});
    }
  }
}

function silent(forMs: number): AppError {
  return new AppError(
    'GUEST_LOST',
    `Cannot reach the guest agent any more: it has not answered for ${formatTime(forMs)}`,
  );
}
