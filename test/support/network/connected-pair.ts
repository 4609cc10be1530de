import { Duplex } from 'node:stream';

/** Connects two streams in memory as a TCP connection connects two sockets, with its half-closed states. */
export function connectedPair(): [Duplex, Duplex] {
  const one = new End();
  return [one, new End(one)];
}

/** What is sent arrives in a later turn of the event loop, as with sockets. */
class End extends Duplex {
  #peer: End = this;
  #hasEnded = false;
  /** lets the peer write more */
  #mayWrite: ((error?: Error) => void) | undefined;

  constructor(peer?: End) {
    super();
    if (!peer) return;
    this.#peer = peer;
    peer.#peer = this;
  }

  override _read(): void {
    this.#release();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    setImmediate(() => this.#peer.#arrive(chunk, done));
  }

  override _final(done: () => void): void {
    setImmediate(() => {
      this.#peer.#end();
      done();
    });
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#mayWrite) this.#release(closedError());
    setImmediate(() => this.#peer.#end());
    done(error);
  }

  #arrive(chunk: Buffer, done: (error?: Error) => void): void {
    if (this.destroyed) done(closedError());
    else if (this.#hasEnded || this.push(chunk)) done();
    else this.#mayWrite = done;
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (!this.destroyed) this.push(null);
  }

  #release(error?: Error): void {
    const mayWrite = this.#mayWrite;
    this.#mayWrite = undefined;
    mayWrite?.(error);
  }
}

function closedError(): Error {
  return new Error('the other end is closed');
}
