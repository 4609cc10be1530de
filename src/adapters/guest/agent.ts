import type http2 from 'node:http2';
import type { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Abortable, sleep } from '../../base/abort.ts';
import { abortable } from '../../base/async.ts';
import { LineSplitter } from '../../base/text/line-splitter.ts';
import type { GuestAgent } from '../../core/ports/guest.ts';
import { type GuestJob, JOBS_GENERATION } from '../../protocol/api/jobs.ts';
import {
  type ExecStart,
  type GuestHealth,
  type GuestPath,
  type GuestPort,
  type GuestStats,
  type Personalisation,
  type Personalised,
  type Synced,
  TIME_LIMIT_GENERATION,
  type TrimRequest,
  type Unpacked,
} from '../../protocol/guest.ts';
import type { AgentRequest as Request } from './agent-request.ts';
import {
  type Answer,
  EMPTY,
  EXPOSED,
  HEALTH,
  JOB,
  JOBS,
  PATH,
  PORTS,
  parseAnswer,
  personalisedAnswer,
  STATS,
  SYNCED,
  UNPACKED,
} from './answers.ts';
import { encodePersonalisation, trimQuery } from './encode-requests.ts';
import { busy, tooOld, whyGone } from './errors.ts';
import type { LinkWatch } from './link-watch.ts';
import { PortStream } from './port-stream.ts';
import { type RunResult, runOver } from './run.ts';
import { GuestStream } from './stream.ts';

/**
 * Most commands, copies and connections open at once. An agent accepts 512 requests; the remaining ones are
 * reserved for requests that must never wait behind these, because these may stay open indefinitely.
 */
const MAX_BULK_REQUESTS = 448;

/** `ms` between two changes of ports that are read; an agent sends one in 400 ms at most. */
const CHANGE_EVERY_MS = 50;

/** `ms` after each so many reports of connections to an exposed port: a guest can send them without end. */
const EXPOSED_AT_ONCE = 64;
const EXPOSED_EVERY_MS = 5;

/** The generation of every request that does not set `since`. */
const FIRST_GENERATION = 1;

const DEFAULT_MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** What a {@link Http2GuestAgent} needs besides its session. */
interface AgentParts {
  watch: LinkWatch;
  generation: number;
  /** returns the VM's current name, for hints */
  vmName: () => string | undefined;
  /** returns the user who runs what names no other, and owns what is unpacked */
  vmUser: () => string | undefined;
  hangUp: () => void;
}

/** {@link GuestAgent} over an HTTP/2 session with the agent. Takes ownership of the session. */
export class Http2GuestAgent implements GuestAgent {
  readonly closed: Promise<void>;
  readonly generation: number;
  readonly #session: http2.ClientHttp2Session;
  readonly #watch: LinkWatch;
  readonly #hangUp: () => void;
  readonly #vmName: () => string | undefined;
  readonly #vmUser: () => string | undefined;
  #failure: unknown;
  readonly #streams = new Set<GuestStream>();
  #bulkCount = 0;

  constructor(session: http2.ClientHttp2Session, { watch, generation, vmName, vmUser, hangUp }: AgentParts) {
    this.generation = generation;
    this.#vmName = vmName;
    this.#vmUser = vmUser;
    this.#hangUp = hangUp;
    this.#session = session;
    this.#watch = watch;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    session.on('error', (error) => {
      this.#failure = error;
    });
    session.on('close', () => resolve());
  }

  health(options: Abortable): Promise<GuestHealth> {
    const request: Request = { action: 'ask the guest for its health', method: 'GET', path: '/health' };
    return this.#ask(request, HEALTH, options);
  }

  ready(options: Abortable): Promise<GuestHealth> {
    const action = 'wait until the guest is ready';
    const request: Request = { action, method: 'GET', path: '/ready', isStart: true };
    return this.#ask(request, HEALTH, options);
  }

  async exec({ timeoutMs, ...options }: Abortable & { timeoutMs?: number | undefined }): Promise<Duplex> {
    const user = this.#vmUser();
    const query = new URLSearchParams({
      ...(user === undefined ? {} : { user }),
      ...(timeoutMs === undefined ? {} : { timeout: String(timeoutMs) }),
    });
    const request: Request = {
      action: 'run a command in the guest',
      method: 'POST',
      path: query.size === 0 ? '/exec' : `/exec?${query}`,
      hasBody: true,
      isBulk: true,
    };
    if (timeoutMs === undefined) return this.#open(request, options);
    const limited = {
      ...request,
      action: 'limit the time of a command in the guest',
      since: TIME_LIMIT_GENERATION,
    };
    return this.#open(limited, options);
  }

  async run(
    spec: ExecStart,
    options: Abortable & {
      input?: Readable | Buffer;
      maxOutputBytes?: number;
      onOutput?: (chunk: Buffer) => void;
    },
  ): Promise<RunResult> {
    const stream = await this.exec(options);
    return await runOver(stream, spec, {
      ...options,
      maxOutputBytes: options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES,
    });
  }

  async putTar(
    guestPath: string,
    tar: Readable,
    options: Abortable & { owner?: 'root' | 'archive' },
  ): Promise<Unpacked> {
    const action = `unpack files at "${guestPath}" in the guest`;
    const owner = options.owner ?? this.#vmUser() ?? 'root';
    const path = `/tar?path=${encodeURIComponent(guestPath)}&owner=${encodeURIComponent(owner)}`;
    const stream = await this.#open({ action, method: 'PUT', path, hasBody: true, isBulk: true }, options);
    // If either side fails, `pipeline` destroys the other one, and `stream` then carries the error.
    pipeline(tar, stream).catch(() => {});
    return await this.#answer(stream, action, UNPACKED);
  }

  async getTar(
    guestPath: string,
    options: Abortable & { as?: string; marksHoles?: boolean },
  ): Promise<Readable> {
    const action = `read "${guestPath}" from the guest`;
    const as = options.as === undefined ? '' : `&as=${encodeURIComponent(options.as)}`;
    const sparse = options.marksHoles ? '&sparse=1' : '';
    const path = `/tar?path=${encodeURIComponent(guestPath)}${as}${sparse}`;
    const stream = await this.#open(
      { action, method: 'GET', path, endsWithTrailers: true, isBulk: true },
      options,
    );
    await stream.accepted;
    return stream;
  }

  stat(guestPath: string, options: Abortable): Promise<GuestPath> {
    const path = `/stat?path=${encodeURIComponent(guestPath)}`;
    return this.#ask({ action: `look at "${guestPath}" in the guest`, method: 'GET', path }, PATH, options);
  }

  async personalise(personalisation: Personalisation, options: Abortable): Promise<Personalised> {
    const action = 'personalise the guest';
    const request: Request = { action, method: 'POST', path: '/personalise', hasBody: true, isStart: true };
    const stream = await this.#open(request, options);
    stream.end(encodePersonalisation(personalisation));
    return await this.#answer(stream, action, personalisedAnswer(personalisation));
  }

  async detachCommands(isOn: boolean, options: Abortable): Promise<void> {
    const action = 'tell the guest what a lost link means';
    const stream = await this.#open({ action, method: 'POST', path: '/keep', hasBody: true }, options);
    stream.end(JSON.stringify({ keep: isOn }));
    await this.#answer(stream, action, EMPTY);
  }

  async startJob(
    start: Omit<ExecStart, 'pty'>,
    { timeoutMs, ...options }: Abortable & { timeoutMs?: number | undefined },
  ): Promise<GuestJob> {
    const action = 'start a job in the guest';
    const path = timeoutMs === undefined ? '/jobs' : `/jobs?timeout=${timeoutMs}`;
    const request: Request = { action, method: 'POST', path, hasBody: true, since: JOBS_GENERATION };
    const stream = await this.#open(request, options);
    const user = start.user ?? this.#vmUser();
    stream.end(JSON.stringify({ ...start, ...(user === undefined ? {} : { user }) }));
    return await this.#answer(stream, action, JOB);
  }

  async jobs(options: Abortable): Promise<GuestJob[]> {
    const action = 'list the jobs of the guest';
    const request: Request = { action, method: 'GET', path: '/jobs', since: JOBS_GENERATION };
    return (await this.#ask(request, JOBS, options)).jobs;
  }

  async jobOutput(
    id: string,
    { after, isFollowed, ...options }: Abortable & { after: number; isFollowed: boolean },
  ): Promise<Readable> {
    const action = 'read the output of a job';
    const path = `/jobs/output?job=${encodeURIComponent(id)}&after=${after}${isFollowed ? '&follow=1' : ''}`;
    const request: Request = { action, method: 'GET', path, isBulk: true, since: JOBS_GENERATION };
    const stream = await this.#open(request, options);
    await stream.accepted;
    return stream;
  }

  endJob(id: string, options: Abortable): Promise<GuestJob> {
    return this.#changeJob(`/jobs/end?job=${encodeURIComponent(id)}`, 'end a job', options);
  }

  signalJob(id: string, name: string, options: Abortable): Promise<GuestJob> {
    const path = `/jobs/signal?job=${encodeURIComponent(id)}&signal=${encodeURIComponent(name)}`;
    return this.#changeJob(path, 'send a job a signal', options);
  }

  #changeJob(path: string, action: string, options: Abortable): Promise<GuestJob> {
    return this.#ask({ action, method: 'POST', path, since: JOBS_GENERATION }, JOB, options);
  }

  async ports(options: Abortable): Promise<GuestPort[]> {
    const request: Request = { action: 'list the ports of the guest', method: 'GET', path: '/ports' };
    return (await this.#ask(request, PORTS, options)).ports;
  }

  async *watchPorts(options: Abortable): AsyncIterable<ReadonlySet<number>> {
    const action = 'watch the ports of the guest';
    const request: Request = { action, method: 'GET', path: '/ports?watch=tcp', isQuiet: true };
    const stream = await this.#open(request, options);
    try {
      await stream.accepted;
      const ports = new PortStream(action);
      for await (const chunk of stream) {
        for (const line of ports.split(chunk)) {
          yield ports.read(line);
          // A guest that sends changes without end gets a small share of the processor.
          await sleep(CHANGE_EVERY_MS, options);
        }
      }
      const last = ports.end();
      if (last) yield last;
    } finally {
      stream.destroy();
    }
  }

  async tcp(port: number, options: Abortable): Promise<Duplex> {
    const action = `connect to port ${port} of the guest`;
    return await this.#connect({ action, path: `/tcp?port=${port}` }, options);
  }

  async *expose(port: number, options: Abortable): AsyncIterable<number> {
    const action = `listen on port ${port} of the guest`;
    const path = `/expose?port=${port}`;
    const stream = await this.#open({ action, method: 'POST', path, isQuiet: true }, options);
    try {
      await stream.accepted;
      const lines = new LineSplitter(EXPOSED.maxBytes);
      let count = 0;
      for await (const chunk of stream) {
        for (const line of lines.push(chunk)) {
          yield parseAnswer(Buffer.from(line), { action, answer: EXPOSED }).id;
          count += 1;
          if (count % EXPOSED_AT_ONCE === 0) await sleep(EXPOSED_EVERY_MS, options);
        }
      }
    } finally {
      stream.destroy();
    }
  }

  async exposed(connection: number, options: Abortable): Promise<Duplex> {
    const action = 'take a connection of the guest';
    return await this.#connect({ action, path: `/exposed?id=${connection}` }, options);
  }

  stats(options: Abortable): Promise<GuestStats> {
    const request: Request = { action: 'measure the guest', method: 'GET', path: '/stats' };
    return this.#ask(request, STATS, options);
  }

  async sync({ trim, ...options }: Abortable & { trim?: TrimRequest | undefined }): Promise<Synced> {
    const path = trim ? `/sync?${trimQuery(trim)}` : '/sync';
    const request: Request = { action: "write the guest's disks", method: 'POST', path };
    return await this.#ask(request, SYNCED, options);
  }

  async powerOff(options: Abortable): Promise<void> {
    const request: Request = { action: 'power the guest off', method: 'POST', path: '/poweroff' };
    await this.#ask(request, EMPTY, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Without this, the library would end their answers as if they were complete.
    for (const stream of this.#streams) stream.giveUp();
    this.#session.destroy();
    // The library waits for a body that is blocked by its flow-control window, possibly for ever.
    this.#hangUp();
    await this.closed;
  }

  /** A connection to a port. Agents that do not know `output` ignore it. */
  async #connect(
    { action, path }: Pick<Request, 'action' | 'path'>,
    options: Abortable,
  ): Promise<GuestStream> {
    const request: Request = { action, method: 'POST', path: `${path}&output=chunks`, hasBody: true };
    const stream = await this.#open({ ...request, isBulk: true, isConnection: true }, options);
    await stream.accepted;
    return stream;
  }

  /** A request without a body whose answer is JSON. */
  async #ask<T>(request: Request, answer: Answer<T>, options: Abortable): Promise<T> {
    return await this.#answer(await this.#open(request, options), request.action, answer);
  }

  async #answer<T>(stream: GuestStream, action: string, answer: Answer<T>): Promise<T> {
    await stream.accepted;
    return parseAnswer(await stream.collect(answer.maxBytes), { action, answer });
  }

  /**
   * @throws {AppError} GUEST_LOST when the link is gone; GUEST_BUSY when too many requests are open;
   * GUEST_GENERATION when the agent is too old for the request; the abort reason when the signal is already
   * aborted.
   */
  async #open(request: Request, { signal }: Abortable): Promise<GuestStream> {
    signal.throwIfAborted();
    if (this.#isGone()) {
      // The reason may be known only once the session has closed.
      await abortable(this.closed, signal);
      throw whyGone(request.action, this.#failure);
    }
    const since = request.since ?? FIRST_GENERATION;
    if (this.generation < since) {
      const { generation } = this;
      throw tooOld(request.action, { generation, since, vmName: this.#vmName() });
    }
    if (request.isBulk && this.#bulkCount >= MAX_BULK_REQUESTS) throw busy(request.action, this.#bulkCount);
    const hasBody = request.hasBody === true;
    const stream = this.#session.request(
      { ':method': request.method, ':path': request.path },
      { endStream: !hasBody },
    );
    if (!request.isQuiet) this.#watch.requested(stream, { isStart: request.isStart === true });
    if (request.isBulk) {
      this.#bulkCount += 1;
      stream.once('close', () => {
        this.#bulkCount -= 1;
      });
    }
    const guestStream = new GuestStream(stream, {
      signal,
      action: request.action,
      hasBody,
      endsWithTrailers: request.endsWithTrailers === true,
      isConnection: request.isConnection === true,
      whyGone: (cause) => (this.#isGone() ? whyGone(request.action, this.#failure ?? cause) : undefined),
    });
    this.#streams.add(guestStream);
    guestStream.once('close', () => this.#streams.delete(guestStream));
    return guestStream;
  }

  #isGone(): boolean {
    return this.#session.destroyed || this.#session.closed;
  }
}
