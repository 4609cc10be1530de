import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { nothing } from '../../protocol/api/common.ts';
import { API_PREFIX, VERSION_HEADER } from '../../protocol/api.ts';
import { buildLabel } from '../../protocol/build-info.ts';
import { errorBodyOf } from '../../protocol/error-body.ts';
import type { App } from '../app.ts';
import { EXEC_UPGRADE_ROUTE } from './exec-upgrade.ts';
import { readQuery } from './read-request.ts';
import { statusOf } from './respond.ts';
import { decodePart } from './route.ts';
import { TCP_UPGRADE_ROUTE } from './tcp-upgrade.ts';
import type { UpgradeRoute } from './upgrade-route.ts';

/** Every route of a VM that asks for another protocol. */
export const UPGRADE_ROUTES: readonly UpgradeRoute[] = [
  EXEC_UPGRADE_ROUTE as UpgradeRoute,
  TCP_UPGRADE_ROUTE as UpgradeRoute,
];

/** `/v1/vms/REF/VERB` */
const VM_VERB = new RegExp(`^${API_PREFIX}/vms/([^/]+)/([^/]+)$`);

/**
 * Serves a request to switch from HTTP to another protocol: connects the client with a stream of the guest.
 * When either side ends, however it does, so does the other. Settles when both have ended.
 *
 * @throws what kept it from starting, after the client has been told.
 */
export async function serveUpgrade(
  app: App,
  {
    request,
    socket,
    head,
    ready,
    signal,
  }: Abortable & {
    request: IncomingMessage;
    socket: Duplex;
    head: Buffer;
    /** waits until the VM can be reached at all */
    ready: () => Promise<void>;
  },
): Promise<void> {
  // Errors of the connection show as its end.
  socket.on('error', () => {});
  try {
    const { route, ref, query } = routeOf(request);
    await ready();
    const stream = await route.open(app, { ref, query, signal });
    if (socket.destroyed) {
      stream.destroy();
      return;
    }
    socket.write(
      [
        'HTTP/1.1 101 Switching Protocols',
        'connection: Upgrade',
        `upgrade: ${route.protocol}`,
        `${VERSION_HEADER}: ${buildLabel(app.build)}`,
        '\r\n',
      ].join('\r\n'),
    );
    if (head.length > 0) stream.write(head);
    const closed = [socket, stream].map((side) => new Promise((done) => side.once('close', done)));
    route.join(socket, stream);
    await Promise.all(closed);
  } catch (error) {
    refuse(app, socket, error);
    throw error;
  }
}

function routeOf(request: IncomingMessage): { route: UpgradeRoute; ref: string; query: never } {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const [, ref = '', verb] = VM_VERB.exec(path) ?? [];
  const route = UPGRADE_ROUTES.find((one) => one.verb === verb && one.protocol === request.headers.upgrade);
  const decoded = decodePart(ref);
  if (request.method === 'POST' && route && decoded) {
    return { route, ref: decoded, query: readQuery(query, route.query ?? nothing) as never };
  }
  throw new AppError(
    'ROUTE_NOT_FOUND',
    `Cannot upgrade ${request.method} ${request.url}: there is no such route`,
  );
}

function refuse(app: App, socket: Duplex, error: unknown): void {
  const body = JSON.stringify(errorBodyOf(error));
  socket.end(
    [
      `HTTP/1.1 ${statusOf(error)} Refused`,
      'connection: close',
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
      `${VERSION_HEADER}: ${buildLabel(app.build)}`,
      '',
      body,
    ].join('\r\n'),
  );
}
