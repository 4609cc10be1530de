import { type FSWatcher, watch } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AppError, isErrno } from '../../../../base/errors.ts';

/** Files of a git folder that change when HEAD, a branch or what git tracks does. */
const GIT_FILES: ReadonlySet<string> = new Set(['HEAD', 'index', 'packed-refs', 'MERGE_HEAD', 'ORIG_HEAD']);

/** Called for each event; `isNewName`: a name came or went, so that there may be other folders. */
type OnChange = (event: { isNewName: boolean }) => void;

interface Watched {
  watcher: FSWatcher;
  inode: bigint;
}

/**
 * Watches the folders of a working tree that have files which git tracks, and its git folder. The kernel has
 * one watch for each folder, and none for files: what is in ignored folders costs nothing.
 */
export class TreeWatch implements Disposable {
  readonly #root: string;
  readonly #onChange: OnChange;
  readonly #folders = new Map<string, Watched>();

  constructor(root: string, onChange: OnChange) {
    this.#root = root;
    this.#onChange = onChange;
  }

  /**
   * Watches the folders of these files, paths below the root, and no others. Returns whether a watch was
   * added: then what was changed before may have been missed.
   *
   * @throws {AppError} HOST_WATCH_LIMIT
   */
  async cover(files: readonly string[]): Promise<boolean> {
    const wanted = new Map([...foldersOf(files)].map((below) => [join(this.#root, below), false]));
    const gitFolder = await gitFolderOf(this.#root);
    if (gitFolder !== undefined) wanted.set(gitFolder, true);
    for (const [path, { watcher }] of this.#folders) {
      if (wanted.has(path)) continue;
      watcher.close();
      this.#folders.delete(path);
    }
    let hasNew = false;
    for (const [path, isGit] of wanted) {
      const inode = await inodeOf(path);
      const old = this.#folders.get(path);
      if (old && old.inode === inode) continue;
      old?.watcher.close();
      this.#folders.delete(path);
      if (inode === undefined) continue;
      hasNew = this.#add(path, { inode, isGit, count: wanted.size }) || hasNew;
    }
    return hasNew;
  }

  [Symbol.dispose](): void {
    for (const { watcher } of this.#folders.values()) watcher.close();
    this.#folders.clear();
  }

  #add(path: string, { inode, isGit, count }: { inode: bigint; isGit: boolean; count: number }): boolean {
    const listener = (event: string, name: string | null): void => {
      if (isGit && (name === null || !GIT_FILES.has(name))) return;
      if (name === '.git') return;
      this.#onChange({ isNewName: isGit || event === 'rename' });
    };
    try {
      const watcher = watch(path, { persistent: true }, listener);
      // The folder is gone; its parent has an event for that.
      watcher.on('error', () => watcher.close());
      this.#folders.set(path, { watcher, inode });
      return true;
    } catch (error) {
      if (isErrno(error, 'ENOSPC', 'EMFILE')) throw tooMany(count, error);
      if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return false;
      throw error;
    }
  }
}

/** All folders that files are in, and the folders of these; the root is `''`. */
function foldersOf(files: readonly string[]): Set<string> {
  const folders = new Set(['']);
  for (const file of files) {
    for (let folder = dirname(file); folder !== '.' && !folders.has(folder); folder = dirname(folder))
      folders.add(folder);
  }
  return folders;
}

/** The git folder of a working tree, also of a linked one. */
async function gitFolderOf(root: string): Promise<string | undefined> {
  const path = join(root, '.git');
  try {
    if ((await stat(path)).isDirectory()) return path;
    const [, given] = /^gitdir: (.+)\n?$/.exec(await readFile(path, 'utf8')) ?? [];
    return given === undefined ? undefined : resolve(root, given);
  } catch (error) {
    if (isErrno(error)) return undefined;
    throw error;
  }
}

async function inodeOf(path: string): Promise<bigint | undefined> {
  try {
    const found = await stat(path, { bigint: true });
    return found.isDirectory() ? found.ino : undefined;
  } catch (error) {
    if (isErrno(error)) return undefined;
    throw error;
  }
}

function tooMany(count: number, cause: unknown): AppError {
  return new AppError(
    'HOST_WATCH_LIMIT',
    `Cannot watch ${count} folders: this host allows fewer watches to a user`,
    { hint: 'sudo sysctl fs.inotify.max_user_watches=1048576', cause },
  );
}
