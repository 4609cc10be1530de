import type http2 from 'node:http2';
import { AppError } from '../../base/errors.ts';
import { formatTime } from '../../base/text/words.ts';

/** How long a link may stay silent, in `ms`. */
export interface WatchTimes {
  /**
   * without a byte from the guest while a request is open; then the host sends a PING (HTTP/2, RFC 9113
   * section 6.7)
   */
  quietMs: number;
  /** without a byte after the PING; then the link counts as lost */
  silentMs: number;
  /** replaces `silentMs` while a request that is part of a start is open */
  startingMs: number;
}

/**
 * On a busy host, an emulated guest may wait seconds for a processor. A guest that boots uses all of its
 * processors, and its agent has to share them; there, a long limit does no harm, because a start has its own
 * deadline and a VMM that ends is noticed at once.
 */
export const WATCH_TIMES: WatchTimes = { quietMs: 5_000, silentMs: 15_000, startingMs: 90_000 };

/** Settings of a watch. */
export interface LinkWatchOptions extends WatchTimes {
  /**
   * returns the error that a silent link ends with, instead of GUEST_LOST; a link for which it returns one
   * throughout the silence limit ends even if a byte comes now and then
   */
  whySilent?: (() => AppError | undefined) | undefined;
}

/** Checks per silence limit. */
const LOOKS = 4;

/**
 * Ends a session with GUEST_LOST when the agent has died or hangs. Nothing else would notice: the guest's
 * port stays open when its agent dies. Does not touch an idle link, so that it never wakes an idle guest.
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
  #pausedAt: number | undefined;
  #lookedAt = 0;

  constructor(session: http2.ClientHttp2Session, bytesRead: () => number, times: LinkWatchOptions) {
    this.#session = session;
    this.#bytesRead = bytesRead;
    this.#times = times;
    this.#everyMs = Math.min(times.quietMs, times.silentMs) / LOOKS;
    session.once('close', () => this[Symbol.dispose]());
  }

  /**
   * Called when a request begins; watches until `stream` closes. `isStart`: it is part of a guest's start.
   */
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
    this.#pausedAt = undefined;
    // Must not keep a stopping daemon alive.
    this.#timer = setInterval(() => this.#look(), this.#everyMs).unref();
  }

  /** Stops watching. Idempotent. */
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
      // If this process itself was held up, bytes from the guest may be waiting unread.
      this.#heard = { bytes, at: now };
      this.#askedAt = undefined;
    }
    if (this.#openCount === 0 && this.#askedAt === undefined) {
      this[Symbol.dispose]();
      return;
    }
    const { quietMs, silentMs, startingMs, whySilent } = this.#times;
    const limitMs = this.#startCount > 0 ? startingMs : silentMs;
    const cause = whySilent?.();
    this.#pausedAt = cause && (this.#pausedAt ?? now);
    const isSilent = this.#askedAt !== undefined && now - this.#askedAt >= limitMs;
    // A paused guest is let run for moments, to see whether it can continue, and may answer in one of them.
    const isPaused = this.#pausedAt !== undefined && now - this.#pausedAt >= quietMs + limitMs;
    if (isSilent || isPaused) this.#session.destroy(cause ?? silent(quietMs + limitMs));
    else if (this.#askedAt === undefined && now - this.#heard.at >= quietMs) {
      this.#askedAt = now;
      this.#session.ping(() => {});
    }
  }
}

function silent(forMs: number): AppError {
  return new AppError(
    'GUEST_LOST',
    `Cannot reach the guest agent any more: it has not answered for ${formatTime(forMs)}`,
    {
      hint: 'try again; if it stays silent, banger vm logs NAME shows its console, and banger vm kill NAME ends it',
    },
  );
}
