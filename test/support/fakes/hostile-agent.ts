import type net from 'node:net';
import { CHUNKS_TYPE } from '../../../src/adapters/guest/port-output.ts';
import { listenAsAgent, onHello } from './fake-agent.ts';

/*
 * A guest that says an honest hello and then tries to keep its host busy. It is a separate process, so that
 * its own work does not count as the host's. It writes raw HTTP/2 bytes, because no library sends such
 * frames.
 *
 *     node hostile-agent.ts ATTACK
 *
 * The first line of its output is the path of its socket. It ends when its stdin does.
 */

const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
  unknown: 0x77,
};
const [END_STREAM, END_HEADERS, ACK] = [1, 4, 1];

/** In HPACK's static table: `:status: 200`. */
const STATUS_200 = Buffer.from([0x88]);
/** `:status: 103`, as a literal. */
const STATUS_103 = Buffer.from([0x08, 0x03, 0x31, 0x30, 0x33]);

/** `content-type`, number 31 of the static table, as a literal. */
function contentType(type: string): Buffer {
  return Buffer.concat([Buffer.from([0x0f, 31 - 15, type.length]), Buffer.from(type)]);
}

/** A frame of HTTP/2. */
function frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** What an attack can do with the link. */
interface Victim {
  /** Sends `bytes` again and again, as fast as the host reads them. */
  flood(bytes: Buffer): void;
  send(bytes: Buffer): void;
  /**
   * Sends `body` in DATA frames of `size` as far as the host's windows allow, `isEndless` again and again.
   */
  answer(
    streamId: number,
    body: Buffer,
    options?: { size?: number; isEndless?: boolean; type?: string },
  ): void;
}

/** The attacks; each begins when the host's first request arrives. */
type Attack = (victim: Victim, streamId: number) => void;

const port = (n: number): string =>
  `{"proto":"tcp","address":"10.${n >> 16}.${(n >> 8) & 255}.${n & 255}","port":80}`;
const manyPorts = (count: number): Buffer =>
  Buffer.from(`{"ports":[${Array.from({ length: count }, (_, n) => port(n)).join()}]}`);
const HEALTH = '{"generation":1,"version":"v","bootId":"b","uptimeMs":1,"init":"systemd","ready":true}';

const change = (from: number): string => {
  const all = Array.from({ length: 1_024 }, (_, at) => `{"address":"::","port":${from + at}}`).join();
  return `{"opened":[${all}],"closed":[${all}]}\n`;
};

const repeated = (bytes: Buffer): Buffer => Buffer.concat(Array(2_000).fill(bytes));

const ATTACKS: Record<string, Attack> = {
  honest: ({ answer }, id) => answer(id, Buffer.from(HEALTH)),
  'a ports answer of 4 MiB': ({ answer }, id) => answer(id, manyPorts(87_000)),
  'a ports answer of a quarter MiB': ({ answer }, id) => answer(id, manyPorts(4_500)),
  'JSON that is nested a quarter million times': ({ answer }, id) =>
    answer(id, Buffer.from('['.repeat(250_000))),
  'JSON that is nested four million times': ({ answer }, id) =>
    answer(id, Buffer.from('['.repeat(4_000_000))),
  'an endless answer in frames of one byte': ({ answer }, id) =>
    answer(id, Buffer.alloc(4096, ' '), { size: 1, isEndless: true }),
  'an endless answer': ({ answer }, id) =>
    answer(id, Buffer.alloc(65_536, ' '), { size: 16_384, isEndless: true }),
  'changes of ports without end': ({ answer }, id) =>
    answer(id, Buffer.from(change(1_000) + change(3_000)), { isEndless: true }),
  'changes of no ports without end': ({ answer }, id) =>
    answer(id, repeated(Buffer.from('{}\n')), { isEndless: true }),
  'connections to exposed ports without end': ({ answer }, id) =>
    answer(id, repeated(Buffer.from('{"id":1}\n')), { isEndless: true }),
  'chunks of one byte without end': ({ answer }, id) =>
    answer(id, repeated(Buffer.from([0, 0, 0, 1, 7])), { isEndless: true, type: CHUNKS_TYPE }),
  'empty frames': ({ flood, send }, id) => {
    send(frame(TYPE.headers, END_HEADERS, id, STATUS_200));
    flood(repeated(frame(TYPE.data, 0, id)));
  },
  pings: ({ flood }) => flood(repeated(frame(TYPE.ping, 0, 0, Buffer.alloc(8)))),
  'answers to pings that were never sent': ({ flood }) =>
    flood(repeated(frame(TYPE.ping, ACK, 0, Buffer.alloc(8)))),
  settings: ({ flood }) => flood(repeated(frame(TYPE.settings, 0, 0, Buffer.from([0, 3, 0, 0, 1, 0])))),
  'windows of one byte': ({ flood }, id) =>
    flood(repeated(frame(TYPE.windowUpdate, 0, id, Buffer.from([0, 0, 0, 1])))),
  priorities: ({ flood }, id) => flood(repeated(frame(TYPE.priority, 0, id, Buffer.from([0, 0, 0, 0, 1])))),
  'unknown frames': ({ flood }) => flood(repeated(frame(TYPE.unknown, 0, 0))),
  'early answers': ({ flood }, id) => flood(repeated(frame(TYPE.headers, END_HEADERS, id, STATUS_103))),
  'endless headers': ({ flood, send }, id) => {
    send(frame(TYPE.headers, 0, id, STATUS_200));
    // A literal without indexing: x: y.
    flood(repeated(frame(TYPE.continuation, 0, id, Buffer.from([0, 1, 0x78, 1, 0x79]))));
  },
  resets: ({ flood }, id) => flood(repeated(frame(TYPE.reset, 0, id, Buffer.from([0, 0, 0, 8])))),
};

function serve(socket: net.Socket, attack: Attack): void {
  const stop = onHello(socket, (line) => {
    stop();
    socket.write(`${line}\n`);
    socket.write(frame(TYPE.settings, 0, 0));
    socket.write(frame(TYPE.settings, ACK, 0));
    new Link(socket, attack);
  });
}

/** Parses the host's frames, but only requests and window updates. */
class Link implements Victim {
  readonly #socket: net.Socket;
  readonly #attack: Attack;
  #rest = Buffer.alloc(0);
  #initialWindow = 65_535;
  readonly #windows = new Map<number, number>();
  readonly #waiting = new Map<number, () => void>();

  constructor(socket: net.Socket, attack: Attack) {
    this.#socket = socket;
    this.#attack = attack;
    this.#windows.set(0, 65_535);
    socket.on('drain', () => this.#answerOn());
    let preface = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      const bytes = Buffer.concat([preface, chunk]);
      if (preface.length < 24) {
        preface = bytes;
        if (bytes.length < 24) return;
        this.#take(bytes.subarray(24));
      } else this.#take(chunk);
    });
  }

  send = (bytes: Buffer): void => void (this.#socket.destroyed || this.#socket.write(bytes));

  flood = (bytes: Buffer): void => {
    const more = (): void => {
      while (!this.#socket.destroyed && this.#socket.write(bytes));
    };
    this.#socket.on('drain', more);
    more();
  };

  answer = (id: number, body: Buffer, { size = 16_384, isEndless = false, type = '' } = {}): void => {
    const head = type === '' ? STATUS_200 : Buffer.concat([STATUS_200, contentType(type)]);
    this.send(frame(TYPE.headers, END_HEADERS, id, head));
    let at = 0;
    const more = (): void => {
      while (!this.#socket.destroyed && this.#socket.writableLength < 1e6) {
        const room = Math.min(this.#windows.get(0) ?? 0, this.#windows.get(id) ?? 0, size);
        if (room === 0 || at >= body.length) break;
        const piece = body.subarray(at, at + room);
        at += piece.length;
        this.#windows.set(0, (this.#windows.get(0) ?? 0) - piece.length);
        this.#windows.set(id, (this.#windows.get(id) ?? 0) - piece.length);
        const isLast = at >= body.length && !isEndless;
        this.send(frame(TYPE.data, isLast ? END_STREAM : 0, id, piece));
        if (isLast) this.#waiting.delete(id);
        if (at >= body.length && isEndless) at = 0;
      }
    };
    this.#waiting.set(id, more);
    more();
  };

  #take(chunk: Buffer): void {
    let rest = Buffer.concat([this.#rest, chunk]);
    while (rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
      const length = rest.readUIntBE(0, 3);
      this.#see(rest.readUInt8(3), rest.readUInt32BE(5), rest.subarray(9, 9 + length));
      rest = rest.subarray(9 + length);
    }
    this.#rest = rest;
    this.#answerOn();
  }

  #answerOn(): void {
    for (const more of this.#waiting.values()) more();
  }

  #see(type: number, id: number, payload: Buffer): void {
    if (type === TYPE.windowUpdate)
      this.#windows.set(id, (this.#windows.get(id) ?? 0) + payload.readUInt32BE(0));
    else if (type === TYPE.settings) {
      for (let at = 0; at + 6 <= payload.length; at += 6)
        if (payload.readUInt16BE(at) === 4) this.#initialWindow = payload.readUInt32BE(at + 2);
    } else if (type === TYPE.reset) this.#waiting.delete(id);
    else if (type === TYPE.headers) {
      this.#windows.set(id, this.#initialWindow);
      this.#attack(this, id);
    }
  }
}

if (import.meta.main) {
  const attack = ATTACKS[process.argv[2] ?? ''];
  if (!attack) throw new Error(`no attack "${process.argv[2]}"`);
  const agent = await listenAsAgent((socket) => serve(socket, attack));
  process.stdout.write(`${agent.path}\n`);
  process.stdin.resume().on('end', async () => {
    await agent[Symbol.asyncDispose]();
    process.exit();
  });
}

/** Names of the attacks of `hostile-agent.ts`. */
export const HOSTILE_ATTACKS: readonly string[] = Object.keys(ATTACKS).filter((name) => name !== 'honest');
