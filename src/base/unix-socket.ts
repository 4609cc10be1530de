import { closeSync, constants, openSync } from 'node:fs';
import { connect, type Server, Socket } from 'node:net';
import { basename, dirname } from 'node:path';

/** Longest path of a Unix socket, in `bytes`: sun_path holds 108 with the final NUL (unix(7)). */
const MAX_SOCKET_PATH_BYTES = 107;

/** True when `path` is short enough to be a socket's address. */
export function fitsSocketPath(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES;
}

/**
 * Connects to the Unix socket `path`, however long the path. Failures arrive as the socket's `error` event,
 * including a missing folder.
 */
export function connectUnix(path: string): Socket {
  if (fitsSocketPath(path)) return connect({ path });
  let folder: number;
  try {
    folder = openFolder(path);
  } catch (error) {
    return new Socket().destroy(error as Error);
  }
  try {
    // The kernel resolves the path before connect() returns.
    return connect({ path: pathBelow(folder, path) });
  } finally {
    closeSync(folder);
  }
}

/**
 * Makes `server` listen on the Unix socket `path`, however long the path. Dispose of the result after the
 * server has closed. A closing server deletes its socket's name. It does so in the folder where the socket
 * was bound, even if another folder has that path by then.
 *
 * @throws errno of bind(2), such as EADDRINUSE when a file with that name exists.
 */
export async function listenUnix(server: Server, path: string): Promise<Disposable> {
  const folder = openFolder(path);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  try {
    server.listen(pathBelow(folder, path), resolve);
    await promise;
  } catch (error) {
    closeSync(folder);
    throw error;
  } finally {
    server.off('error', reject);
  }
  let isOpen = true;
  return {
    [Symbol.dispose]() {
      if (isOpen) closeSync(folder);
      isOpen = false;
    },
  };
}

function openFolder(path: string): number {
  return openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
}

/** A short path to the same file, valid while `folder` is open. */
function pathBelow(folder: number, path: string): string {
  return `/proc/self/fd/${folder}/${basename(path)}`;
}
