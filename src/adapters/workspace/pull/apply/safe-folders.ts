import { closeSync, constants, openSync } from 'node:fs';
import { chmod, lstat, mkdir, rmdir } from 'node:fs/promises';
import { AppError, isAppError, isErrno } from '../../../../base/errors.ts';
import { textOf } from '../../workspace-work.ts';

const FOLDER = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * The folders of a working tree, reached from its top one by one without ever following a link: each is
 * opened inside the one before, through its descriptor, so that nothing which is swapped meanwhile can lead
 * elsewhere. Paths are latin1.
 */
export class SafeFolders implements Disposable {
  readonly #top: number;
  #last: { folder: string; handle: number } | undefined;

  private constructor(top: number) {
    this.#top = top;
  }

  /** Opens the top folder of a working tree, which may be reached through links. */
  static open(root: string): SafeFolders {
    return new SafeFolders(openSync(root, constants.O_RDONLY | constants.O_DIRECTORY));
  }

  /**
   * A path of the file `path` for system calls, valid until the next call; `undefined` when its folder does
   * not exist. With `makes`, missing folders are made with these permissions.
   *
   * @throws {AppError} WORKSPACE_PULL_STALE when a link or a file is in place of a folder
   */
  async place(path: string, { makes }: { makes?: number } = {}): Promise<Buffer | undefined> {
    const end = path.lastIndexOf('/');
    const folder = end < 0 ? '' : path.slice(0, end);
    const handle = await this.#folder(folder, makes);
    return handle === undefined ? undefined : within(handle, path.slice(end + 1));
  }

  /** Deletes empty folders from `folder` upwards, but not the top. */
  async removeEmpty(folder: string): Promise<void> {
    for (let at = folder; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
      if (!(await this.removeFolder(at))) return;
    }
  }

  /** Deletes a folder if it is empty. Returns whether it is gone. */
  async removeFolder(folder: string): Promise<boolean> {
    this.#forget();
    try {
      const place = await this.place(folder);
      if (place) await rmdir(place);
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return true;
      if (isErrno(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR', 'EBUSY', 'EACCES', 'EPERM')) return false;
      if (isAppError(error, 'WORKSPACE_PULL_STALE')) return false;
      throw error;
    }
  }

  async #folder(folder: string, makes: number | undefined): Promise<number | undefined> {
    if (folder === '') return this.#top;
    if (this.#last?.folder === folder) return this.#last.handle;
    this.#forget();
    let handle = this.#top;
    for (const part of folder.split('/')) {
      let next: number | undefined;
      try {
        next = await openFolder(within(handle, part), { makes, folder });
      } finally {
        if (handle !== this.#top) closeSync(handle);
      }
      if (next === undefined) return undefined;
      handle = next;
    }
    this.#last = { folder, handle };
    return handle;
  }

  #forget(): void {
    const last = this.#last;
    this.#last = undefined;
    if (last) closeSync(last.handle);
  }

  [Symbol.dispose](): void {
    this.#forget();
    closeSync(this.#top);
  }
}

async function openFolder(
  path: Buffer,
  { makes, folder }: { makes: number | undefined; folder: string },
): Promise<number | undefined> {
  try {
    if (makes !== undefined) await makeFolder(path, makes);
    return openSync(path, FOLDER);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (!isErrno(error, 'ELOOP', 'ENOTDIR')) throw error;
    throw new AppError(
      'WORKSPACE_PULL_STALE',
      `Cannot write below "${textOf(folder)}": a link or a file is in place of a folder`,
      { details: { paths: [textOf(folder)] } },
    );
  }
}

async function makeFolder(path: Buffer, mode: number): Promise<void> {
  try {
    await lstat(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    try {
      await mkdir(path, { mode });
      await chmod(path, mode);
    } catch (made) {
      if (!isErrno(made, 'EEXIST')) throw made;
    }
  }
}

function within(handle: number, name: string): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${handle}/`), Buffer.from(name, 'latin1')]);
}
