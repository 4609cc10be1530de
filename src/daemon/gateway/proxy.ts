import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createProxyServer, type ProxyServer } from 'httpxy';
import { type Abortable, onAbort } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { GuestSocketAgent } from './guest-socket-agent.ts';

/** `ms` that a server in a guest has to answer the request for an upgrade. */
const UPGRADE_MS = 60_000;

/** Never used to connect: the stream to the guest is already open. */
const TARGET = 'http://guest.invalid';

/** Headers by which a client could pretend that the request has come from elsewhere. */
const FORWARDED = /^(?:forwarded|x-forwarded-.*|x-real-ip)$/;

/**
 * Passes a request to the server at the other end of `stream`, and its answer to the client; bodies are
 * streamed. Returns what kept the server from answering. Destroys the stream at the end.
 */
export async function proxyRequest(
  { request, response }: { request: IncomingMessage; response: ServerResponse },
  { stream, signal }: Abortable & { stream: Duplex },
): Promise<unknown> {
  const proxy = proxyOver(stream, request);
  let hasAnswered = false;
  proxy.on('proxyRes', (answer) => {
    hasAnswered = true;
    makeSendable(answer);
  });
  const { promise: closed, reject: close } = Promise.withResolvers<never>();
  // Node reports nothing when the guest answers with a switch of protocols that nobody has asked for.
  stream.once('close', () => setImmediate(() => hasAnswered || close(stream.errored ?? undefined)));
  using _aborting = onAbort(signal, () => stream.destroy());
  try {
    await Promise.race([proxy.web(request, response), closed]);
    return undefined;
  } catch (error) {
    return noAnswer(error);
  } finally {
    stream.destroy();
  }
}

/**
 * Passes a request to switch protocols to the server at the other end of `stream`, and then the bytes of both
 * sides. Returns what kept the server from answering. When either side ends, so does the other.
 */
export async function proxyUpgrade(
  { request, socket, head }: { request: IncomingMessage; socket: Duplex; head: Buffer },
  { stream, signal }: Abortable & { stream: Duplex },
): Promise<unknown> {
  if (request.method !== 'GET' || request.headers.upgrade?.toLowerCase() !== 'websocket') {
    stream.destroy();
    return new AppError('GATEWAY_UPGRADE', 'The gateway passes on WebSockets only, no other upgrades');
  }
  const proxy = proxyOver(stream, request);
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  using _aborting = onAbort(signal, () => {
    stream.destroy();
    close();
  });
  let hasAnswered = false;
  proxy.on('open', () => {
    hasAnswered = true;
  });
  // The bytes that the guest has sent before its end still have to reach the client.
  stream.once('close', () => (hasAnswered ? socket.end() : undefined));
  try {
    await proxy.ws(request, socket as Socket, {}, head);
    await closed;
    return undefined;
  } catch (error) {
    return hasAnswered || socket.writableEnded ? undefined : noAnswer(error);
  } finally {
    stream.destroy();
  }
}

function proxyOver(stream: Duplex, request: IncomingMessage): ProxyServer {
  // Errors of the stream show as those of the request.
  stream.on('error', () => {});
  for (const name of Object.keys(request.headers)) if (FORWARDED.test(name)) delete request.headers[name];
  // Trailers are not passed on, and Node throws where nobody can catch it when they announce none.
  delete request.headers.trailer;
  return createProxyServer({
    target: TARGET,
    agent: new GuestSocketAgent(stream),
    headers: forwardedHeaders(request) as Record<string, string>,
    upgradeTimeout: UPGRADE_MS,
  });
}

/** What Node accepts in the status line of an answer that it reads, but not of one that it sends. */
const UNSENDABLE = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * Changes what the guest answered so that Node can send it: Node reads some answers that it refuses to write,
 * and then throws where nobody can catch it.
 */
function makeSendable(answer: IncomingMessage): void {
  const { statusCode = 0, statusMessage = '' } = answer;
  if (statusCode < 200) answer.statusCode = 502;
  if (UNSENDABLE.test(statusMessage)) answer.statusMessage = '';
  // Trailers are not passed on, and their announcement is refused in an answer with a length.
  delete answer.headers.trailer;
}

/** Tells the guest's server under which address the client has sent the request. */
function forwardedHeaders({ headers, socket }: IncomingMessage): OutgoingHttpHeaders {
  const host = headers.host ?? '';
  return {
    'x-forwarded-for': socket.remoteAddress ?? '',
    'x-forwarded-host': host,
    'x-forwarded-port': /:([0-9]+)$/.exec(host)?.[1] ?? '80',
    'x-forwarded-proto': 'http',
  };
}

function noAnswer(cause: unknown): AppError {
  return new AppError(
    'GATEWAY_NO_ANSWER',
    'Something listens there, but it closed the connection, or its answer is not HTTP',
    { hint: 'if it is a web server that speaks only TLS, connect to its port directly', cause },
  );
}
