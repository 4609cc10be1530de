import { Agent, type AgentOptions, type ClientRequestArgs } from 'node:http';
import type { Duplex } from 'node:stream';

/** What HTTP clients call on a TCP socket; a stream to a guest has no such settings. */
const SOCKET_SETTINGS = ['setNoDelay', 'setKeepAlive', 'setTimeout', 'ref', 'unref'] as const;

const NO_REUSE: AgentOptions = { keepAlive: false };

/** Sends one request over a stream that is already open, such as one to a port of a guest. */
export class GuestSocketAgent extends Agent {
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    super(NO_REUSE);
    this.#stream = withSocketSettings(stream);
  }

  override createConnection(_options: ClientRequestArgs): Duplex {
    return this.#stream;
  }
}

function withSocketSettings(stream: Duplex): Duplex {
  const settings = SOCKET_SETTINGS.filter((name) => !(name in stream));
  return Object.assign(stream, Object.fromEntries(settings.map((name) => [name, () => stream])));
}
