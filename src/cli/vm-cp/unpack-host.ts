import { constants } from 'node:fs';
import { chmod, link, lstat, mkdir, open, symlink, unlink, utimes } from 'node:fs/promises';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isErrno, messageOf } from '../../base/errors.ts';
import type { TarEntry } from '../../base/tar/header.ts';
import { readTar, type TarItem } from '../../base/tar/read-tar.ts';

/** What was unpacked. */
export interface HostUnpacked {
  entries: number;
  bytes: number;
  /** fifos, which are left out */
  skipped: number;
}

const SLASH = 0x2f;

/**
 * Unpacks an archive that a guest made into the directory `dir`, which must exist. Nothing outside of it is touched: names that are absolute or go up are
 * refused, and so is everything behind a parent that is no directory of its own, such as a symlink, wherever that points and whoever made it. Symlinks are
 * made as the guest has them, and are followed by nothing here. An entry replaces the file or link in its place. Modes lose setuid, setgid and
 * what the umask takes; owners are the user. What was unpacked before a failure stays.
 *
 * @throws {AppError} COPY_REFUSED, COPY_FAILED, TAR_DAMAGED.
 */
export async function unpackHost(
  tar: AsyncIterable<Buffer>,
  { dir, umask, signal }: Abortable & { dir: string; umask: number },
): Promise<HostUnpacked> {
  const unpacker = new Unpacker(Buffer.from(dir), umask);
  for await (const item of readTar(tar)) {
    signal.throwIfAborted();
    await unpacker.add(item);
  }
  await unpacker.finish();
  return unpacker.result;
}

/** The parts of an entry's name, none for the directory itself. @throws {AppError} COPY_REFUSED */
export function safeParts(name: Buffer): Buffer[] {
  const shown = JSON.stringify(name.toString());
  if (name[0] === SLASH) throw refused(`${shown} is absolute`);
  const parts: Buffer[] = [];
  for (let at = 0; at <= name.length; ) {
    const slash = name.indexOf(SLASH, at);
    const end = slash < 0 ? name.length : slash;
    const part = Buffer.from(name.subarray(at, end));
    const text = part.toString('latin1');
    if (text === '..') throw refused(`${shown} goes up`);
    if (text.includes('\0')) throw refused(`${shown} has a NUL`);
    if (text !== '' && text !== '.') parts.push(part);
    at = end + 1;
  }
  return parts;
}

class Unpacker {
  readonly result: HostUnpacked = { entries: 0, bytes: 0, skipped: 0 };
  readonly #root: Buffer;
  readonly #umask: number;
  /** directories that are known to be ones, by their path below the root; nothing replaces one */
  readonly #known = new Set<string>();
  /** modes and times of directories, set when nothing is put into them any more */
  readonly #later = new Map<string, { path: Buffer; entry: TarEntry }>();

  constructor(root: Buffer, umask: number) {
    this.#root = root;
    this.#umask = umask;
  }

  async add({ entry, content }: TarItem): Promise<void> {
    const parts = safeParts(entry.name);
    this.result.entries += 1;
    if (parts.length === 0) {
      if (entry.kind !== 'directory') throw refused('the top of the archive is no directory');
      return;
    }
    await this.#enter(parts.slice(0, -1));
    const path = this.#pathOf(parts);
    await writing(path, async () => {
      switch (entry.kind) {
        case 'directory':
          return await this.#directory(parts, entry);
        case 'file':
          return await this.#file(path, { entry, content });
        case 'symlink':
          return await this.#replace(path, () => symlink(entry.linkName, path));
        case 'hard-link': {
          const target = safeParts(entry.linkName);
          await this.#enter(target.slice(0, -1));
          const from = this.#pathOf(target);
          if (target.length === 0 || from.equals(path)) throw refused('a hard link names itself');
          // Of a file only: a link to a symlink would be followed by whoever opens it.
          if (!(await lstat(from)).isFile()) throw refused('a hard link is not to a file');
          return await this.#replace(path, () => link(from, path));
        }
        case 'fifo':
          this.result.skipped += 1;
          return;
        default:
          return entry.kind satisfies never;
      }
    });
  }

  /** Gives directories their modes and times, the innermost first. */
  async finish(): Promise<void> {
    for (const { path, entry } of [...this.#later.values()].reverse()) {
      await writing(path, async () => {
        await chmod(path, this.#modeOf(entry));
        await utimes(path, entry.mtimeMs / 1000, entry.mtimeMs / 1000);
      });
    }
  }

  /** Makes sure that every directory on the way is one, and makes those that are missing. */
  async #enter(parts: readonly Buffer[]): Promise<void> {
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const upTo = parts.slice(0, depth);
      const key = keyOf(upTo);
      if (this.#known.has(key)) continue;
      const path = this.#pathOf(upTo);
      await writing(path, async () => {
        if (!(await isDirectoryMade(path))) {
          throw refused(`"${path.toString()}" is in the way: it is no directory of its own`);
        }
      });
      this.#known.add(key);
    }
  }

  async #directory(parts: readonly Buffer[], entry: TarEntry): Promise<void> {
    const path = this.#pathOf(parts);
    if (!(await isDirectoryMade(path))) {
      await unlink(path);
      await mkdir(path, { mode: 0o700 });
    }
    // Ours to write into until the end, whatever its mode will be.
    await chmod(path, 0o700);
    this.#known.add(keyOf(parts));
    this.#later.set(keyOf(parts), { path, entry });
  }

  async #file(path: Buffer, { entry, content }: TarItem): Promise<void> {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    const made = await this.#replace(path, () => open(path, flags, 0o600));
    await using file = made;
    for await (const chunk of content) {
      for (let done = 0; done < chunk.length; ) {
        done += (await file.write(chunk, done, chunk.length - done)).bytesWritten;
      }
      this.result.bytes += chunk.length;
    }
    await file.chmod(this.#modeOf(entry));
    await file.utimes(entry.mtimeMs / 1000, entry.mtimeMs / 1000);
  }

  /** Calls `create`, and once more after taking away the file or link that is in the place. A directory there stays, and is an error. */
  async #replace<T>(path: Buffer, create: () => Promise<T>): Promise<T> {
    try {
      return await create();
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    if ((await lstat(path)).isDirectory()) throw refused(`"${path.toString()}" is a directory and stays one`);
    await unlink(path);
    return await create();
  }

  #modeOf(entry: TarEntry): number {
    return entry.mode & 0o777 & ~this.#umask;
  }

  #pathOf(parts: readonly Buffer[]): Buffer {
    return Buffer.concat([this.#root, ...parts.flatMap((part) => [Buffer.from('/'), part])]);
  }
}

/** Makes the directory when nothing is there; false when something else is. */
async function isDirectoryMade(path: Buffer): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 });
    return true;
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    return (await lstat(path)).isDirectory();
  }
}

function keyOf(parts: readonly Buffer[]): string {
  return parts.map((part) => part.toString('latin1')).join('/');
}

async function writing<T>(path: Buffer, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new AppError('COPY_FAILED', `Cannot write "${path.toString()}": ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function refused(why: string): AppError {
  return new AppError('COPY_REFUSED', `Cannot unpack what the guest sent: ${why}`);
}
