/*
 * What frames of HTTP/2 cost the host to handle, in units of about a microsecond of its processor:
 *
 *     +--------+------+-------+-----------+---------
 *     | length | type | flags | stream id | payload
 *     | 3      | 1    | 1     | 4         | `length` bytes
 *     +--------+------+-------+-----------+---------
 */

const HEADER_BYTES = 9;
const TYPE_AT = 3;

const DATA = 0;
const [HEADERS, PUSH_PROMISE, CONTINUATION] = [1, 5, 9];

/** Each DATA frame becomes an event of its own; above this size the event costs no more than its bytes. */
const DATA_COST = 10;
const CHEAP_DATA_BYTES = 1024;
/** A HEADERS frame becomes an object. */
const HEADERS_COST = 40;
const OTHER_COST = 2;

/** What may be taken in one go. */
export interface Room {
  bytes: number;
  cost: number;
}

/** Follows a stream of frames, split anywhere, and adds up their costs. */
export class FrameCosts {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerBytes = 0;
  /** payload bytes of the current frame that are still to come */
  #left = 0;

  /**
   * Returns how many of the first bytes of `chunk` fit into `room`, and their cost. The last frame may exceed
   * the limit by its own cost.
   */
  take(chunk: Buffer, room: Room): Room {
    const end = Math.min(chunk.length, room.bytes);
    let at = 0;
    let cost = 0;
    while (at < end && cost < room.cost) {
      if (this.#left > 0) {
        const step = Math.min(this.#left, end - at);
        this.#left -= step;
        at += step;
        continue;
      }
      this.#header[this.#headerBytes] = chunk[at] ?? 0;
      this.#headerBytes += 1;
      at += 1;
      if (this.#headerBytes < HEADER_BYTES) continue;
      this.#headerBytes = 0;
      this.#left = this.#header.readUIntBE(0, TYPE_AT);
      cost += costOf(this.#header.readUInt8(TYPE_AT), this.#left);
    }
    return { bytes: at, cost };
  }
}

function costOf(type: number, length: number): number {
  switch (type) {
    case DATA:
      return length < CHEAP_DATA_BYTES ? DATA_COST : 0;
    case HEADERS:
    case PUSH_PROMISE:
    case CONTINUATION:
      return HEADERS_COST;
    default:
      return OTHER_COST;
  }
}
