import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { AppError, isAppError, isErrno } from '../base/errors.ts';
import { ensurePrivateDir } from '../base/files/private-dir.ts';
import type { Logger } from '../base/log.ts';
import { connectUnix, listenUnix } from '../base/unix-socket.ts';
import { spareRuntimeDirs } from '../config/daemon-places.ts';
import { MOVED_BY, type Paths, socketsIn } from '../config/paths.ts';

/**
 * Creates the folder of the sockets and returns `paths` with it: in the state folder, or elsewhere when that
 * cannot hold sockets, because its file system does not support them or is full. The caller is the only
 * daemon of this state folder.
 *
 * @throws {AppError} SOCKETS_UNSUPPORTED when no folder can hold sockets.
 */
export async function settleRuntimePlace(paths: Paths, { log }: { log: Logger }): Promise<Paths> {
  const [usual, ...spares] = [paths.runtimeDir, ...spareRuntimeDirs(paths)];
  const failure = await tryPlace(usual);
  if (failure === undefined) return paths;
  for (const dir of spares) {
    const reason = await tryPlace(dir);
    log.warn('the state folder cannot hold sockets', { dir, error: failure, ...(reason ? { reason } : {}) });
    if (reason === undefined) return { ...paths, ...socketsIn(dir) };
  }
  throw new AppError(
    'SOCKETS_UNSUPPORTED',
    `Cannot put sockets under "${paths.stateDir}": its file system does not hold them, and neither does ${spares.join(', ')}`,
    {
      hint: `set ${MOVED_BY.stateDir} to a folder on a local file system`,
      details: { field: MOVED_BY.stateDir, path: paths.stateDir },
      cause: failure,
    },
  );
}

/** Creates `dir`, and connects to a socket in it; returns why that failed, if it did. */
async function tryPlace(dir: string): Promise<Error | undefined> {
  try {
    await ensurePrivateDir(dir);
    await ensurePrivateDir(socketsIn(dir).vmRuntimeDir);
    await trySocket(join(dir, 'try.sock'));
    return undefined;
  } catch (error) {
    const isOfPlace =
      isAppError(error, 'DIR_NOT_PRIVATE') || (error instanceof Error && isErrno(error, ...PLACE));
    if (!isOfPlace) throw error;
    return error;
  }
}

/** The errors of a file system or a folder that cannot hold sockets. */
const PLACE = [
  'EACCES',
  'ECONNREFUSED',
  'EDQUOT',
  'EINVAL',
  'EIO',
  'ENOENT',
  'ENOSPC',
  'ENOSYS',
  'ENOTDIR',
  'ENOTSUP',
  'EOPNOTSUPP',
  'EPERM',
  'EROFS',
];

async function trySocket(path: string): Promise<void> {
  await rm(path, { force: true });
  const server = createServer((socket) => socket.destroy());
  using _folder = await listenUnix(server, path);
  try {
    const client = connectUnix(path);
    await new Promise<void>((resolve, reject) => client.once('connect', resolve).once('error', reject));
    client.destroy();
  } finally {
    await new Promise((resolve) => server.close(resolve));
    await rm(path, { force: true });
  }
}
