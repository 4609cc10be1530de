import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isAppError, messageOf } from '../../base/errors.ts';
import { findRunningVm } from '../../core/vms/find-vm.ts';
import { AGENT_DEADLINE_MS } from '../../core/vms/prepare-workspace.ts';
import { API_PREFIX, EXEC_UPGRADE, VERSION_HEADER } from '../../protocol/api.ts';
import { buildLabel } from '../../protocol/build-info.ts';
import { errorBodyOf } from '../../protocol/error-body.ts';
import { encodeJsonFrame, FRAME, FrameDecoder } from '../../protocol/exec-frames.ts';
import type { App } from '../app.ts';
import { statusOf } from './respond.ts';
import { decodePart } from './route.ts';

const EXEC_PATH = new RegExp(`^${API_PREFIX}/vms/([^/]+)/exec$`);

/**
 * Serves `POST /v1/vms/REF/exec` with `Upgrade: banger-exec`: joins the client's connection with an exec stream of the guest. The frames pass as they are.
 * When the client goes, however it goes, the guest's stream is reset, which ends the command's process group; when the guest's stream
 * ends, so does the connection. Settles when both have ended.
 *
 * @throws what kept it from starting, after the client was told.
 */
export async function serveExec(
  app: App,
  { request, socket, head, signal }: Abortable & { request: IncomingMessage; socket: Duplex; head: Buffer },
): Promise<void> {
  // What goes wrong with the connection shows as its end.
  socket.on('error', () => {});
  try {
    const stream = await openExec(app, request, { signal });
    if (socket.destroyed) {
      stream.destroy();
      return;
    }
    const label = buildLabel(app.build);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${EXEC_UPGRADE}\r\n${VERSION_HEADER}: ${label}\r\n\r\n`,
    );
    if (head.length > 0) stream.write(head);
    await join(socket, stream);
  } catch (error) {
    refuse(app, socket, error);
    throw error;
  }
}

async function openExec(app: App, request: IncomingMessage, { signal }: Abortable): Promise<Duplex> {
  const ref = decodePart(EXEC_PATH.exec((request.url ?? '').split('?')[0] ?? '')?.[1] ?? '');
  if (request.method !== 'POST' || !ref || request.headers.upgrade !== EXEC_UPGRADE) {
    throw new AppError(
      'ROUTE_NOT_FOUND',
      `Cannot upgrade ${request.method} ${request.url}: there is no such route`,
    );
  }
  const record = findRunningVm(app.world.records, ref);
  const agent = await app.world.live.agent(record.id, { signal, helloDeadlineMs: AGENT_DEADLINE_MS });
  return await agent.exec({ signal });
}

async function join(socket: Duplex, stream: Duplex): Promise<void> {
  const closed = Promise.all([socket, stream].map((side) => new Promise((done) => side.once('close', done))));
  const frames = new FrameDecoder();
  stream.on('error', (error) => {
    // Between two frames there is room for a last one that says why.
    if (!frames.isAtBoundary || !isAppError(error, 'GUEST_LOST')) socket.destroy();
    else socket.end(encodeJsonFrame(FRAME.error, { code: 'lost', message: messageOf(error) }));
  });
  stream.once('close', () => {
    if (!stream.readableEnded && !socket.writableEnded) socket.destroy();
  });
  socket.once('close', () => stream.destroy());
  socket.once('end', () => stream.destroy());
  socket.pipe(stream, { end: false });
  stream.pipe(socket);
  stream.on('data', (chunk: Buffer) => {
    try {
      frames.push(chunk);
    } catch (error) {
      stream.destroy(error as Error);
    }
  });
  await closed;
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
