import http2 from 'node:http2';
import type net from 'node:net';
import { type Abortable, onAbort, poll } from '../../base/abort.ts';
import { isAppError, isErrno, unreachable as neverReached } from '../../base/errors.ts';
import { formatTime } from '../../base/text/words.ts';
import { connectUnix } from '../../base/unix-socket.ts';
import type { ConnectOptions, GuestAgent, GuestConnector, GuestEndpoint } from '../../core/ports/guest.ts';
import { AGENT_GENERATIONS, type AgentGenerations } from '../../protocol/guest.ts';
import { Http2GuestAgent } from './agent.ts';
import { type Subject, unreachable } from './errors.ts';
import { meet } from './hello.ts';
import { LinkWatch, WATCH_TIMES, type WatchTimes } from './link-watch.ts';
import { PacedSocket } from './paced-socket.ts';
import { connectVsock } from './vsock.ts';

/** How often a missing socket is tried again: the VMM creates it when it starts. */
const CONNECT_EVERY_MS = 10;
/** How often a guest that does not listen yet is tried again: the VMM hears that from the guest itself. */
const VSOCK_EVERY_MS = 50;

/**
 * Windows and frame size, as the protocol requires. A stream whose reader is stuck occupies no more than its
 * own window, because the library refills the link's window as soon as bytes arrive. The stream's window is
 * small because a guest may fill it with frames of one byte, each of which costs more than 100 bytes of
 * memory.
 */
const STREAM_WINDOW_BYTES = 256 * 1024;
const LINK_WINDOW_BYTES = 16 * 1024 * 1024;
const MAX_FRAME_BYTES = 1024 * 1024;

/** Answers have a few short headers. */
const MAX_HEADER_LIST_BYTES = 16 * 1024;

/**
 * Most memory that the library may use for one link, in its unit (MB), before it refuses requests. It is more
 * than what an agent's full number of stuck streams can buffer towards the guest.
 */
const MAX_SESSION_MEMORY_MB = 256;

/** Settings that tests override. */
export interface ConnectorSettings {
  watchTimes?: WatchTimes;
  /** default: those of this program */
  generations?: AgentGenerations;
}

/** Creates the connector. */
export function createGuestConnector(settings: ConnectorSettings = {}): GuestConnector {
  const { watchTimes = WATCH_TIMES, generations = AGENT_GENERATIONS } = settings;
  return { connect: (endpoint, options) => connect(endpoint, { ...options, watchTimes, generations }) };
}

async function connect(
  endpoint: GuestEndpoint,
  {
    signal,
    helloDeadlineMs,
    isRestored = false,
    whySilent,
    vmName = () => undefined,
    vmUser = () => undefined,
    watchTimes,
    generations,
  }: ConnectOptions & Required<ConnectorSettings>,
): Promise<GuestAgent> {
  const startedAt = performance.now();
  const subject = { endpoint: endpoint.path, vmName: vmName() };
  const socket = await openSocket(endpoint, { signal, deadlineMs: helloDeadlineMs, subject });
  try {
    const deadlineMs = helloDeadlineMs - (performance.now() - startedAt);
    const generation = await meet(socket, {
      signal,
      deadlineMs,
      subject,
      generations,
      isRestored,
    });
    const paced = new PacedSocket(socket);
    const session = newSession(paced);
    const watch = new LinkWatch(session, () => socket.bytesRead, { ...watchTimes, whySilent });
    const agent = new Http2GuestAgent(session, {
      ...{ watch, generation, vmName, vmUser },
      hangUp: () => paced.destroy(),
    });
    await connected(session, { subject, signal });
    if (!session.destroyed) session.setLocalWindowSize(LINK_WINDOW_BYTES);
    return agent;
  } catch (error) {
    socket.destroy();
    throw isAppError(error, 'GUEST_UNREACHABLE') ? (whySilent?.() ?? error) : error;
  }
}

async function openSocket(
  endpoint: GuestEndpoint,
  { signal, deadlineMs, subject }: Abortable & { deadlineMs: number; subject: Subject },
): Promise<net.Socket> {
  const { path } = endpoint;
  let refusal: unknown;
  const attempt = async (): Promise<net.Socket | undefined> => {
    try {
      return await openOnce(endpoint, { signal });
    } catch (error) {
      // All of these are temporary: no socket yet, nobody listening, or a full backlog.
      if (!isErrno(error, 'ENOENT', 'ECONNREFUSED', 'EAGAIN')) throw error;
      refusal = error;
      return undefined;
    }
  };
  const everyMs = endpoint.kind === 'vsock' ? VSOCK_EVERY_MS : CONNECT_EVERY_MS;
  try {
    return await poll(attempt, { everyMs, deadlineMs, what: path, signal });
  } catch (error) {
    signal.throwIfAborted();
    const state = isAppError(error, 'WAIT_TIMEOUT')
      ? `nothing listens there after ${formatTime(deadlineMs)}`
      : 'the socket cannot be opened';
    throw unreachable(subject, state, refusal ?? error);
  }
}

/** Returns nothing when the VMM answers and the guest does not listen yet. */
async function openOnce(endpoint: GuestEndpoint, options: Abortable): Promise<net.Socket | undefined> {
  const { kind, path } = endpoint;
  switch (kind) {
    case 'unix':
      return await openUnixSocket(path, options);
    case 'vsock': {
      const socket = await openUnixSocket(path, options);
      if (await connectVsock(socket, { port: endpoint.port, ...options })) return socket;
      socket.destroy();
      return undefined;
    }
    default:
      return neverReached(kind, 'endpoint');
  }
}

async function openUnixSocket(path: string, { signal }: Abortable): Promise<net.Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<net.Socket>();
  const socket = connectUnix(path);
  // Stays attached for the socket's whole life; its users also learn of the end through 'close'.
  socket.on('error', reject);
  socket.once('connect', () => resolve(socket));
  using _abort = onAbort(signal, () => reject(signal.reason));
  try {
    return await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/**
 * Waits for the 'connect' event. The library fails when a session is ended before it; a session that has
 * already ended never emits it.
 */
async function connected(
  session: http2.ClientHttp2Session,
  { subject, signal }: Abortable & { subject: Subject },
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  session.once('connect', () => resolve());
  session.once('error', reject);
  session.once('close', () => reject(unreachable(subject, 'the connection was closed')));
  using _abort = onAbort(signal, () => reject(signal.reason));
  await promise;
}

function newSession(socket: PacedSocket): http2.ClientHttp2Session {
  return http2.connect('http://guest', {
    createConnection: () => socket,
    maxSessionMemory: MAX_SESSION_MEMORY_MB,
    settings: {
      enablePush: false,
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxFrameSize: MAX_FRAME_BYTES,
      maxHeaderListSize: MAX_HEADER_LIST_BYTES,
    },
  });
}
