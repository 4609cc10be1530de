import { type BigIntStats, constants } from 'node:fs';
import { lstat, open, readdir, readlink, stat } from 'node:fs/promises';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isErrno, messageOf } from '../../../base/errors.ts';
import type { TarEntry, TarKind } from '../../../base/tar/header.ts';
import { TAR_END, tarHeader, tarPadding } from '../../../base/tar/write-tar.ts';

const READ_BYTES = 256 * 1024;
const SLASH = Buffer.from('/');
const NOTHING = Buffer.alloc(0);

/** What was packed so far. */
export interface PackCount {
  /** sockets and devices, which are never packed */
  skipped: number;
}

/**
 * Packs a file, as one entry named `name`, or the content of a directory, as a tar archive. Links in a
 * directory stay links. Owners are not recorded. A file that grows while it is read is packed with its
 * original length; one that shrinks fails the archive.
 *
 * @throws {AppError} COPY_FAILED naming what cannot be read, while iterating.
 */
export async function* packHost(
  source: { kind: 'file'; path: string; name: string } | { kind: 'directory'; path: string },
  { signal, count }: Abortable & { count: PackCount },
): AsyncGenerator<Buffer, void, undefined> {
  const path = Buffer.from(source.path);
  const packer: Packer = { signal, count };
  if (source.kind === 'file')
    yield* packFile(path, Buffer.from(source.name), { ...packer, isFollowed: true });
  else {
    // The entry of the directory itself, which counts where the directory is created.
    yield tarHeader(
      entryOf('directory', Buffer.from('.'), await reading(path, () => stat(path, { bigint: true }))),
    );
    yield* packContent(path, { ...packer, prefix: NOTHING });
  }
  yield TAR_END;
}

interface Packer extends Abortable {
  count: PackCount;
}

async function* packContent(
  dir: Buffer,
  { prefix, ...packer }: Packer & { prefix: Buffer },
): AsyncGenerator<Buffer, void, undefined> {
  const names = await reading(dir, () => readdir(dir, { encoding: 'buffer' }));
  for (const base of names.sort(Buffer.compare)) {
    packer.signal.throwIfAborted();
    const path = Buffer.concat([dir, SLASH, base]);
    const name = Buffer.concat([prefix, base]);
    const stats = await statOrGone(path);
    if (!stats) continue;
    if (stats.isFile()) yield* packFile(path, name, packer);
    else if (stats.isDirectory()) {
      const folder = Buffer.concat([name, SLASH]);
      yield tarHeader(entryOf('directory', folder, stats));
      yield* packContent(path, { ...packer, prefix: folder });
    } else if (stats.isSymbolicLink()) {
      const linkName = await reading(path, () => readlink(path, { encoding: 'buffer' }));
      yield tarHeader({ ...entryOf('symlink', name, stats), linkName });
    } else if (stats.isFIFO()) yield tarHeader(entryOf('fifo', name, stats));
    else packer.count.skipped += 1;
  }
}

async function* packFile(
  path: Buffer,
  name: Buffer,
  { signal, isFollowed = false }: Packer & { isFollowed?: boolean },
): AsyncGenerator<Buffer, void, undefined> {
  // Does not block if it has meanwhile become a fifo.
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | (isFollowed ? 0 : constants.O_NOFOLLOW);
  await using file = await reading(path, () => open(path, flags));
  const stats = await file.stat({ bigint: true });
  if (!stats.isFile()) throw failed(path, 'it changed while it was read');
  const entry = entryOf('file', name, stats);
  yield tarHeader(entry);
  for (let left = entry.sizeBytes; left > 0; ) {
    signal.throwIfAborted();
    const { buffer, bytesRead } = await reading(path, () =>
      file.read(Buffer.allocUnsafe(Math.min(left, READ_BYTES)), 0, Math.min(left, READ_BYTES), null),
    );
    if (bytesRead === 0) throw failed(path, 'it became shorter while it was read');
    left -= bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
  yield tarPadding(entry.sizeBytes);
}

function entryOf(kind: TarKind, name: Buffer, stats: BigIntStats): TarEntry {
  return {
    kind,
    name,
    linkName: NOTHING,
    mode: Number(stats.mode & 0o7777n),
    sizeBytes: kind === 'file' ? Number(stats.size) : 0,
    mtimeMs: Number(stats.mtimeNs / 1000n) / 1000,
    ...(kind === 'file' && stats.blocks * 512n < stats.size ? { isSparse: true } : {}),
  };
}

async function statOrGone(path: Buffer): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw failed(path, messageOf(error), error);
  }
}

async function reading<T>(path: Buffer, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw failed(path, messageOf(error), error);
  }
}

function failed(path: Buffer, why: string, cause?: unknown): AppError {
  return new AppError('COPY_FAILED', `Cannot read "${path.toString()}": ${why}`, { cause });
}
