import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { constants, createZstdDecompress } from 'node:zlib';
import { type Abortable, onAbort } from '../../base/abort.ts';
import { AppError, isErrno, messageOf } from '../../base/errors.ts';
import { syncTree } from '../../base/files/atomic-file.ts';
import { readTar, type TarItem } from '../../base/tar/read-tar.ts';
import { CONTENTS_FILE, type Contents, compareContents, type FoundFile, parseContents } from './contents.ts';

/** Most that a release may unpack to, and in how many entries; a release has 150 MiB in about 200. */
const MAX_BYTES = 2 ** 30;
const MAX_ENTRIES = 5_000;

/** Longest path below the top folder, in `bytes`. */
const MAX_PATH_BYTES = 200;

/** Longest list of contents that is read, in `bytes`. */
const MAX_CONTENTS_BYTES = 2 ** 20;

/** log2 of the largest window that zstd may use, as for the archives that the release makes. */
const MAX_WINDOW_LOG = 27;

/** Where an archive comes from and goes. */
export interface UnpackOptions extends Abortable {
  /** an empty folder */
  folder: string;
  /** the one folder that the archive has at its top */
  top: string;
  /** most that it may unpack to; default: 1 GiB */
  maxBytes?: number;
}

/**
 * Unpacks the archive of a release. It may have only plain files and folders below `top`, with the modes of a
 * release, and exactly the files that its list of contents names. What is unpacked is on disk when this
 * returns. After a failure, the folder has a part of it.
 *
 * @throws {AppError} UPDATE_ARCHIVE_INVALID
 */
export async function unpackRelease(archive: AsyncIterable<Buffer>, options: UnpackOptions): Promise<void> {
  const { folder, signal } = options;
  const plain = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG } });
  const source = Readable.from(archive);
  source.once('error', (error) => plain.destroy(error));
  using _listener = onAbort(signal, () => plain.destroy(signal.reason));
  try {
    const { found, contents } = await unpackAll(readTar(bounded(source.pipe(plain), options)), options);
    if (contents === undefined) throw archiveInvalid(`it has no ${CONTENTS_FILE}`);
    const difference = compareContents(contents, found);
    if (difference !== undefined) throw archiveInvalid(difference);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AppError && error.code !== 'TAR_DAMAGED') throw error;
    // Those of the disk, not of the archive.
    if (isErrno(error, 'ENOSPC', 'EDQUOT', 'EACCES', 'EROFS', 'EIO')) throw error;
    throw archiveInvalid(messageOf(error), error);
  } finally {
    source.destroy();
    plain.destroy();
  }
  await syncTree(folder);
}

async function* bounded(
  chunks: AsyncIterable<Buffer>,
  { maxBytes = MAX_BYTES }: { maxBytes?: number },
): AsyncGenerator<Buffer, void, undefined> {
  let count = 0;
  for await (const chunk of chunks) {
    count += chunk.length;
    if (count > maxBytes) throw archiveInvalid('it unpacks to more than any release has');
    yield chunk;
  }
}

async function unpackAll(
  items: AsyncIterable<TarItem>,
  { folder, top, signal }: UnpackOptions,
): Promise<{ found: Map<string, FoundFile>; contents: Contents | undefined }> {
  const found = new Map<string, FoundFile>();
  let contents: Contents | undefined;
  let count = 0;
  for await (const { entry, content } of items) {
    signal.throwIfAborted();
    count += 1;
    if (count > MAX_ENTRIES) throw archiveInvalid('it has more entries than any release has');
    const path = pathBelow(entry.name, top);
    const shown = JSON.stringify(path);
    if (entry.kind === 'directory') {
      if (entry.mode !== 0o755) throw archiveInvalid(`the folder ${shown} has another mode than 755`);
      await mkdir(join(folder, path), { recursive: true, mode: 0o755 });
      continue;
    }
    if (entry.kind !== 'file') throw archiveInvalid(`${shown} is neither a file nor a folder`);
    const isProgram = entry.mode === 0o755;
    if (!isProgram && entry.mode !== 0o644)
      throw archiveInvalid(`${shown} has another mode than 644 and 755`);
    if (path === '' || found.has(path)) throw archiveInvalid(`it has ${shown} twice`);
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    const written = await writeFile(target, content, { mode: entry.mode, keep: path === CONTENTS_FILE });
    if (written.text !== undefined) contents = parseContents(written.text);
    found.set(path, { sha256: written.sha256, sizeBytes: entry.sizeBytes, isProgram });
  }
  return { found, contents };
}

/** The path of an entry below the top folder; empty for that folder itself. */
function pathBelow(name: Buffer, top: string): string {
  const text = name.toString('latin1').replace(/\/$/, '');
  const shown = JSON.stringify(text.slice(0, MAX_PATH_BYTES));
  if (text !== top && !text.startsWith(`${top}/`)) {
    throw archiveInvalid(`it has ${shown}, which is outside of "${top}"`);
  }
  const path = text.slice(top.length + 1);
  const isPlain = path === '' || path.split('/').every((part) => /^(?!\.{1,2}$)[\w.@+~-]+$/.test(part));
  if (!isPlain || path.length > MAX_PATH_BYTES) throw archiveInvalid(`it has the path ${shown}`);
  return path;
}

/** Writes a new file, and returns its hash and, with `keep`, its text. */
async function writeFile(
  path: string,
  content: AsyncIterable<Buffer>,
  { mode, keep }: { mode: number; keep: boolean },
): Promise<{ sha256: string; text: string | undefined }> {
  const hash = createHash('sha256');
  const kept: Buffer[] = [];
  let keptBytes = 0;
  const file = await open(path, 'wx', mode);
  try {
    await file.chmod(mode);
    for await (const chunk of content) {
      hash.update(chunk);
      if (keep) {
        keptBytes += chunk.length;
        if (keptBytes > MAX_CONTENTS_BYTES) throw archiveInvalid(`its ${CONTENTS_FILE} is too long`);
        kept.push(Buffer.from(chunk));
      }
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
  return { sha256: hash.digest('hex'), text: keep ? Buffer.concat(kept).toString('utf8') : undefined };
}

function archiveInvalid(why: string, cause?: unknown): AppError {
  return new AppError('UPDATE_ARCHIVE_INVALID', `Cannot unpack the release: ${why}`, {
    hint: 'nothing was changed; try again, and tell the makers of banger if it stays so',
    cause,
  });
}
