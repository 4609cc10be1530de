import * as z from 'zod';
import { isAppError } from '../../base/errors.ts';
import { LineSplitter } from '../../base/text/line-splitter.ts';
import { brokenProtocol } from './errors.ts';

/** Most listeners that are remembered; further ones are ignored. */
const MAX_LISTENERS = 1_024;

/** Longest line, in `bytes`. */
const MAX_LINE_BYTES = 256 * 1024;

const listener = z.object({ address: z.union([z.ipv4(), z.ipv6()]), port: z.int().min(1).max(65_535) });
const listeners = z.array(listener).max(MAX_LISTENERS).default([]);

const change = z.object({ opened: listeners, closed: listeners });

/** The whole answer of an agent that does not watch, which lists other protocols too. */
const listing = z.object({
  ports: z
    .array(z.unknown())
    .transform((ports) => ports.slice(0, 2 * MAX_LISTENERS))
    .pipe(z.array(listener.extend({ proto: z.enum(['tcp', 'udp']) }))),
});

/**
 * Reads `GET /ports?watch=tcp`: lines of JSON, each a change of the guest's TCP listeners, the first with all
 * of them. Agents that do not know the parameter send one list without a line feed and end the answer.
 */
export class PortStream {
  readonly #action: string;
  readonly #lines = new LineSplitter(MAX_LINE_BYTES);
  /** what listens, as `ADDRESS PORT` */
  readonly #open = new Set<string>();

  constructor(action: string) {
    this.#action = action;
  }

  /**
   * Returns the lines that a part of the answer completes. A guest can send very many, so pause between them.
   *
   * @throws {AppError} GUEST_PROTOCOL
   */
  split(chunk: Buffer): string[] {
    try {
      return this.#lines.push(chunk);
    } catch (error) {
      if (!isAppError(error, 'LINE_TOO_LONG')) throw error;
      throw brokenProtocol(this.#action, `more than ${MAX_LINE_BYTES} bytes`);
    }
  }

  /**
   * Reads a line, and returns the ports on which something listens then.
   *
   * @throws {AppError} GUEST_PROTOCOL
   */
  read(line: string): ReadonlySet<number> {
    this.#apply(line);
    return this.#ports();
  }

  /** Reads a last line without a line feed; `undefined` when there is none. As {@link read}. */
  end(): ReadonlySet<number> | undefined {
    const [last = ''] = this.split(Buffer.from('\n'));
    return last === '' ? undefined : this.read(last);
  }

  #apply(line: string): void {
    const value = parseJson(line);
    const list = listing.safeParse(value).data;
    const changed = list ? undefined : change.safeParse(value).data;
    if (list) {
      this.#open.clear();
      for (const { proto, ...one } of list.ports) if (proto === 'tcp') this.#add(one);
    } else if (changed) {
      for (const one of changed.closed) this.#open.delete(keyOf(one));
      for (const one of changed.opened) this.#add(one);
    } else throw brokenProtocol(this.#action, 'what is not a change of ports');
  }

  #add(one: z.infer<typeof listener>): void {
    if (this.#open.size < MAX_LISTENERS) this.#open.add(keyOf(one));
  }

  #ports(): Set<number> {
    return new Set([...this.#open].map((key) => Number(key.split(' ')[1])));
  }
}

function keyOf({ address, port }: z.infer<typeof listener>): string {
  return `${address} ${port}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
}
