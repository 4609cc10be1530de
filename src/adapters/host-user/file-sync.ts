import type { Stats } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno, printable } from '../../base/errors.ts';
import { formatSize } from '../../base/text/size.ts';
import type { HostContent } from '../../core/ports/host-user.ts';
import type { PersonalFile } from '../../protocol/guest.ts';

/** A file or folder on the host, and its path in the guest. */
export interface SyncedPath {
  hostPath: string;
  guestPath: string;
  /** mode of a file; default: 0o600 */
  mode?: number;
}

/** What was read of them. */
type SyncedContent = Pick<HostContent, 'files' | 'notices'>;

/** Most content in total: it is sent in one request and held in memory on both sides. */
const MAX_SYNCED_BYTES = 16 * 1024 * 1024;

/** Most files and folders in total; a folder with more was probably named by mistake. */
const MAX_SYNCED_PATHS = 10_000;

const DEFAULT_MODE = 0o600;

/**
 * Reads files, and folders with everything in them. Files inside folders keep their modes, and so do folders.
 * Symlinks to files are read as files. Skips everything else, including symlinks to folders and paths that do
 * not exist.
 *
 * @throws {AppError} FILE_SYNC_FAILED, FILE_SYNC_TOO_LARGE.
 */
export async function readSyncedPaths(
  paths: readonly SyncedPath[],
  { signal }: Abortable,
): Promise<SyncedContent> {
  const reading = new Reading(signal);
  for (const entry of paths) await reading.entry(entry);
  return reading;
}

class Reading implements SyncedContent {
  readonly files: PersonalFile[] = [];
  readonly notices: string[] = [];
  readonly #signal: AbortSignal;
  #sizeBytes = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  async entry({ hostPath, guestPath, mode = DEFAULT_MODE }: SyncedPath): Promise<void> {
    try {
      const found = await stat(hostPath);
      if (found.isDirectory()) await this.#folder(hostPath, guestPath, found);
      else if (found.isFile()) await this.#file(hostPath, guestPath, { mode, sizeBytes: found.size });
      else this.notices.push(`"${hostPath}" is not synced: it is neither a file nor a folder`);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) {
        this.notices.push(`"${hostPath}" is not synced: it does not exist`);
      } else if (isErrno(error, 'EACCES', 'EPERM', 'EIO', 'ELOOP', 'ENAMETOOLONG')) {
        throw new AppError('FILE_SYNC_FAILED', `Cannot sync "${hostPath}": it cannot be read`, {
          hint: 'make it readable, or take it out of [[file_sync]] in the config file',
          details: { path: hostPath },
          cause: error,
        });
      } else throw error;
    }
  }

  async #folder(hostPath: string, guestPath: string, { mode }: Stats): Promise<void> {
    this.#add({ path: guestPath, mode: mode & 0o777, how: 'folder', optional: true }, hostPath);
    for (const entry of await readdir(hostPath, { withFileTypes: true })) {
      this.#signal.throwIfAborted();
      const [path, guest] = [join(hostPath, entry.name), posix.join(guestPath, entry.name)];
      const found = await statOrUndefined(path);
      if (entry.isDirectory() && found) await this.#folder(path, guest, found);
      else if (found?.isFile())
        await this.#file(path, guest, { mode: found.mode & 0o777, sizeBytes: found.size });
      else
        this.notices.push(`"${printable(path)}" is not synced: it is neither a file nor a folder of its own`);
    }
  }

  async #file(
    hostPath: string,
    guestPath: string,
    { mode, sizeBytes }: { mode: number; sizeBytes: number },
  ): Promise<void> {
    this.#signal.throwIfAborted();
    this.#count(sizeBytes, hostPath);
    const content = await readFile(hostPath, { signal: this.#signal });
    this.#count(content.length - sizeBytes, hostPath);
    this.#add({ path: guestPath, mode, content, optional: true }, hostPath);
  }

  #count(bytes: number, hostPath: string): void {
    this.#sizeBytes += bytes;
    if (this.#sizeBytes > MAX_SYNCED_BYTES) throw tooLarge(hostPath, formatSize(MAX_SYNCED_BYTES));
  }

  #add(file: PersonalFile, hostPath: string): void {
    this.files.push(file);
    if (this.files.length > MAX_SYNCED_PATHS) throw tooLarge(hostPath, `${MAX_SYNCED_PATHS} files`);
  }
}

/** `undefined` for a dangling symlink, or a file that has just been deleted. */
async function statOrUndefined(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined;
    throw error;
  }
}

function tooLarge(path: string, limit: string): AppError {
  return new AppError(
    'FILE_SYNC_TOO_LARGE',
    `Cannot sync "${printable(path)}": all of [[file_sync]] is more than ${limit}`,
    {
      hint: 'sync less: put large folders into the workspace, or copy them once',
      details: { path },
    },
  );
}
