import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { FrameCosts } from './frame-costs.ts';

/** Most bytes of one guest that are handled in one turn of the event loop, whatever their frames. */
const MAX_TURN_BYTES = 512 * 1024;
/** Most that one guest may cost in one turn, in units of {@link FrameCosts}. */
const MAX_TURN_COST = 2_000;

/** Sustained cost that a guest may cause, per `ms`: a tenth of a processor. */
const COST_PER_MS = 100;
/** Most unused cost that a guest may accumulate. */
const MAX_SAVED_COST = 10_000;
/** How long a guest waits once it has used up its share, in `ms`. */
const WAIT_MS = 5;

/**
 * A guest's socket for the HTTP/2 library, which would otherwise handle every frame on arrival. Passes
 * incoming bytes on in portions: a guest that floods its link with small frames gets a bounded share of the
 * processor and of each turn of the event loop, and has to wait beyond that. Frames of a KiB or more are
 * never delayed. Owns the socket and closes it together with itself.
 */
export class PacedSocket extends Duplex {
  readonly #socket: Socket;
  readonly #costs = new FrameCosts();
  /** received but not yet passed on */
  #pending: Buffer | undefined;
  #hasEnded = false;
  #isWanted = false;
  #saved = MAX_SAVED_COST;
  #savedAt = performance.now();
  #turn = { bytes: 0, cost: 0 };
  #nextTurn: NodeJS.Immediate | undefined;
  #wait: NodeJS.Timeout | undefined;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    const end = (): void => {
      this.#hasEnded = true;
      this.#pump();
    };
    socket.on('data', (chunk) => {
      this.#pending = this.#pending ? Buffer.concat([this.#pending, chunk]) : chunk;
      this.#pump();
    });
    socket.on('end', end).on('close', end);
    socket.on('error', (error) => this.destroy(error));
  }

  override _read(): void {
    this.#isWanted = true;
    this.#pump();
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#socket.cork();
    for (const [index, { chunk }] of chunks.entries()) {
      if (index === chunks.length - 1) this.#socket.write(chunk, done);
      else this.#socket.write(chunk);
    }
    this.#socket.uncork();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearImmediate(this.#nextTurn);
    clearTimeout(this.#wait);
    this.#pending = undefined;
    this.#socket.destroy();
    done(error);
  }

  /** Passes on as much as is allowed now, and schedules the rest. */
  #pump(): void {
    if (this.destroyed) return;
    if (this.#pending && this.#isWanted) this.#handOver(this.#pending);
    if (this.#pending) this.#socket.pause();
    else if (!this.#hasEnded) this.#socket.resume();
    else if (!this.readableEnded) this.push(null);
  }

  #handOver(chunk: Buffer): void {
    if (this.#wait) return;
    this.#save();
    if (this.#saved <= 0) {
      this.#wait = setTimeout(() => {
        this.#wait = undefined;
        this.#pump();
      }, WAIT_MS);
      return;
    }
    const { bytes, cost } = this.#costs.take(chunk, {
      bytes: MAX_TURN_BYTES - this.#turn.bytes,
      cost: Math.min(this.#saved, MAX_TURN_COST - this.#turn.cost),
    });
    this.#saved -= cost;
    this.#turn.bytes += bytes;
    this.#turn.cost += cost;
    this.#nextTurn ??= setImmediate(() => {
      this.#nextTurn = undefined;
      this.#turn = { bytes: 0, cost: 0 };
      this.#pump();
    });
    this.#pending = bytes < chunk.length ? chunk.subarray(bytes) : undefined;
    if (bytes === 0) return;
    this.#isWanted = false;
    if (this.push(chunk.subarray(0, bytes))) this.#isWanted = true;
  }

  #save(): void {
    const now = performance.now();
    this.#saved = Math.min(MAX_SAVED_COST, this.#saved + (now - this.#savedAt) * COST_PER_MS);
    this.#savedAt = now;
  }
}
