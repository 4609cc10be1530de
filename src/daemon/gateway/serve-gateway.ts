import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '../../base/log.ts';
import { foreignHost, foreignOrigin, guestFailed, type OwnAnswer } from './answers.ts';
import { type GatewayTarget, isLocalOrigin, readGatewayHost } from './gateway-name.ts';
import type { GatewayGuests } from './guests.ts';
import { type ReachedGuest, reachGuest } from './reach-guest.ts';

/** What serves the requests to the gateway. */
export interface GatewayParts {
  guests: GatewayGuests;
  /** the port that the gateway listens on, for links */
  gatewayPort: number;
  log: Logger;
}

/** One request, with the side of it that the client sees. */
type Exchange =
  | { request: IncomingMessage; response: ServerResponse }
  | { request: IncomingMessage; socket: Duplex; head: Buffer };

/**
 * Serves one request or upgrade to the gateway: passes it to the guest that its `Host` names, or answers with
 * a page. Ends the guest's side when the client's ends, and the other way round. Never rejects.
 */
export async function serveGateway(parts: GatewayParts, exchange: Exchange): Promise<void> {
  const client = 'response' in exchange ? exchange.response : exchange.socket;
  const gone = new AbortController();
  client.once('close', () => gone.abort());
  // Errors of the connection show as its end.
  client.on('error', () => {});
  if (client.destroyed) return;
  const { signal } = gone;
  try {
    const target = readTarget(exchange.request);
    const reached = 'status' in target ? target : await reachGuest(parts.guests, { target, signal });
    if ('status' in reached) await sendOwn(parts, exchange, { answer: reached, signal });
    else await proxyTo(parts, exchange, { ...reached, signal });
  } catch (error) {
    if (!signal.aborted) parts.log.error('a request to the gateway failed: this is a bug', { error });
    client.destroy();
  }
}

function readTarget({ headers }: IncomingMessage): Exclude<GatewayTarget, { kind: 'foreign' }> | OwnAnswer {
  const target = readGatewayHost(headers.host);
  if (target.kind === 'foreign') return foreignHost(headers.host);
  return isLocalOrigin(headers.origin) ? target : foreignOrigin(headers.origin);
}

async function proxyTo(
  parts: GatewayParts,
  exchange: Exchange,
  { vm, port, stream, signal }: ReachedGuest & { signal: AbortSignal },
): Promise<void> {
  using _use = parts.guests.use(vm);
  const { proxyRequest, proxyUpgrade } = await import('./proxy.ts');
  const failure =
    'response' in exchange
      ? await proxyRequest(exchange, { stream, signal })
      : await proxyUpgrade(exchange, { stream, signal });
  if (failure === undefined || signal.aborted) return;
  await sendOwn(parts, exchange, { answer: guestFailed(vm.name, port, failure), signal });
}

async function sendOwn(
  { guests, gatewayPort }: GatewayParts,
  exchange: Exchange,
  { answer, signal }: { answer: OwnAnswer; signal: AbortSignal },
): Promise<void> {
  const { writePage } = await import('./pages.ts');
  const vms = answer.listsVms ? { vms: await guests.list({ gatewayPort, signal }) } : {};
  const { accept } = exchange.request.headers;
  const { body, headers } = writePage({ ...answer.content, ...vms }, { accept });
  if ('response' in exchange) {
    const { request, response } = exchange;
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // The rest of an upload would be read as the next request.
    response.writeHead(answer.status, { ...headers, connection: 'close' });
    response.end(request.method === 'HEAD' ? undefined : body);
    return;
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  exchange.socket.end(
    [`HTTP/1.1 ${answer.status} Refused`, 'connection: close', ...lines, '', body].join('\r\n'),
  );
}
