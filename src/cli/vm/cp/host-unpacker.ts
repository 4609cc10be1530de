import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, link, lstat, mkdir, open, rename, rm, symlink, unlink, utimes } from 'node:fs/promises';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import type { TarEntry } from '../../../base/tar/header.ts';
import type { TarItem } from '../../../base/tar/read-tar.ts';
import { writeContent } from '../../../base/tar/write-content.ts';
import { refused, writing } from './copy-errors.ts';
import type { CopyMeter } from './copy-limits.ts';
import { type GitGuard, MAX_CONFIG_BYTES } from './git-guard.ts';
import { safeParts } from './safe-parts.ts';

/** What a {@link HostUnpacker} needs. */
export interface HostUnpackerParts extends Abortable {
  root: Buffer;
  isNew: boolean;
  umask: number;
  guard: GitGuard | undefined;
  meter: CopyMeter;
}

/** Writes the entries of an archive to files, one after the other. */
export class HostUnpacker {
  /** fifos */
  skipped = 0;
  readonly #parts: HostUnpackerParts;
  /**
   * paths below the root that are known to be directories, and whether this copy made them; they are never
   * replaced
   */
  readonly #known = new Map<string, boolean>();
  /** modes and times of directories, which are set after the last file was written into them */
  readonly #later = new Map<string, { path: Buffer; mode: number; mtimeMs: number }>();

  constructor(parts: HostUnpackerParts) {
    this.#parts = parts;
    this.#known.set('', parts.isNew);
  }

  async add({ entry, content }: TarItem): Promise<void> {
    const { guard, meter } = this.#parts;
    const parts = safeParts(entry.name);
    meter.addEntry();
    if (parts.length === 0) {
      if (entry.kind !== 'directory') throw refused('the top of the archive is not a directory');
      return;
    }
    const path = this.#pathOf(parts);
    await writing(path, async () => {
      const rule = guard?.ruleOf(parts, entry.kind) ?? 'copy';
      if (rule === 'leave') return guard?.noteLeft(parts);
      await this.#enter(parts.slice(0, -1));
      if (entry.kind === 'directory') return await this.#directory(parts, entry);
      if (rule === 'settings') return await this.#settings(parts, { entry, content });
      if (!guard?.isHeld(parts)) return await this.#put(path, { entry, content, parts });
      const folder = parts.slice(0, -1);
      const from = beside(path);
      await this.#put(from, { entry, content, parts });
      if (!(await isThere(from))) return;
      const isFolderNew = this.#known.get(keyOf(folder)) ?? false;
      await guard.hold(keyOf(parts), { folder: this.#pathOf(folder), from, to: path, isFolderNew });
    });
  }

  /** Writes what was held back, then sets modes and times of the directories, innermost first. */
  async finish(): Promise<void> {
    const { root, guard } = this.#parts;
    if (guard) await writing(root, () => guard.finish());
    for (const { path, mode, mtimeMs } of [...this.#later.values()].reverse()) {
      await writing(path, async () => {
        try {
          await chmod(path, mode);
          await utimes(path, mtimeMs / 1000, mtimeMs / 1000);
        } catch (error) {
          // Some directories have been left out meanwhile.
          if (!isErrno(error, 'ENOENT')) throw error;
        }
      });
    }
  }

  /** Checks that every parent is a directory, and makes the missing ones. */
  async #enter(parts: readonly Buffer[]): Promise<void> {
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const upTo = parts.slice(0, depth);
      if (this.#known.has(keyOf(upTo))) continue;
      const path = this.#pathOf(upTo);
      await writing(path, async () => {
        const found = await this.#makeDirectory(upTo, path);
        if (found === 'other')
          throw refused(`"${path.toString()}" is in the way: it is not a real directory`);
        if (found === 'made') this.#parts.meter.addImplied();
      });
    }
  }

  async #directory(parts: readonly Buffer[], entry: TarEntry): Promise<void> {
    const path = this.#pathOf(parts);
    if ((await this.#makeDirectory(parts, path)) === 'other') {
      await unlink(path);
      await this.#makeDirectory(parts, path);
    }
    // Writable for us until the end, whatever its final mode.
    await chmod(path, 0o700);
    this.#later.set(keyOf(parts), { path, mode: this.#modeOf(entry), mtimeMs: entry.mtimeMs });
  }

  /** Makes a directory when nothing is there, and remembers it. */
  async #makeDirectory(parts: readonly Buffer[], path: Buffer): Promise<'made' | 'there' | 'other'> {
    const key = keyOf(parts);
    try {
      await mkdir(path, { mode: 0o700 });
      this.#known.set(key, true);
      return 'made';
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
    if (!(await lstat(path)).isDirectory()) return 'other';
    if (!this.#known.has(key)) {
      await this.#parts.guard?.enterExisting(path, key);
      this.#known.set(key, false);
    }
    return 'there';
  }

  async #put(path: Buffer, { entry, content, parts }: TarItem & { parts: readonly Buffer[] }): Promise<void> {
    switch (entry.kind) {
      case 'file':
        return await this.#file(path, { entry, content });
      case 'symlink':
        return await this.#replace(path, (free) => symlink(entry.linkName, free));
      case 'hard-link':
        return await this.#hardLink(path, { entry, parts });
      case 'fifo':
        this.skipped += 1;
        return;
      case 'directory':
        return;
      default:
        return entry.kind satisfies never;
    }
  }

  async #hardLink(
    path: Buffer,
    { entry, parts }: { entry: TarEntry; parts: readonly Buffer[] },
  ): Promise<void> {
    const { guard } = this.#parts;
    const target = safeParts(entry.linkName);
    // A hard link to something that was left out, or copied in part, is left out too.
    if (guard && target.length > 0 && guard.ruleOf(target, 'file') !== 'copy') return guard.noteLeft(parts);
    await this.#enter(target.slice(0, -1));
    const named = this.#pathOf(target);
    if (target.length === 0 || named.equals(path)) throw refused('a hard link names itself');
    const from = guard?.whereIs(keyOf(target)) ?? named;
    // Files only: a program that opens a hard link to a symlink would follow the symlink.
    if (!(await lstat(from)).isFile()) throw refused('a hard link does not lead to a file');
    await this.#replace(path, (free) => link(from, free));
  }

  async #file(path: Buffer, { entry, content }: TarItem): Promise<void> {
    const { meter, signal } = this.#parts;
    await this.#replace(path, async (free) => {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
      await using file = await open(free, flags, 0o600);
      try {
        const isSparse = entry.isSparse ?? false;
        await writeContent(file, content, { isSparse, onBytes: (count) => meter.addBytes(count), signal });
        await file.chmod(this.#modeOf(entry));
        await file.utimes(entry.mtimeMs / 1000, entry.mtimeMs / 1000);
      } catch (error) {
        await rm(free, { force: true });
        throw error;
      }
    });
  }

  /** Writes the harmless part of a configuration, unless this host already has one there. */
  async #settings(parts: readonly Buffer[], { entry, content }: TarItem): Promise<void> {
    const { guard, meter } = this.#parts;
    const path = this.#pathOf(parts);
    if (!guard) return;
    if (await isThere(path)) return guard.keepsOwn(parts);
    const isReadable = entry.sizeBytes <= MAX_CONFIG_BYTES;
    const whole = isReadable ? Buffer.concat(await Array.fromAsync(content)) : undefined;
    const text = guard.cleaned(whole, parts.map((part) => part.toString()).join('/'));
    if (!text) return;
    meter.addBytes(text.length);
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(text);
    await file.chmod(this.#modeOf(entry));
    await file.utimes(entry.mtimeMs / 1000, entry.mtimeMs / 1000);
  }

  /**
   * Calls `create` with the path. When something is there, calls it with a path beside it, and then replaces
   * what is there. An existing directory stays, and is an error.
   */
  async #replace(path: Buffer, create: (free: Buffer) => Promise<void>): Promise<void> {
    if (!(await isThere(path))) return await create(path);
    if ((await lstat(path)).isDirectory()) throw refused(`"${path.toString()}" is a directory and stays one`);
    const free = beside(path);
    await create(free);
    try {
      await rename(free, path);
    } finally {
      // Renaming one hard link of a file to another succeeds without doing anything.
      await rm(free, { force: true });
    }
  }

  #modeOf(entry: TarEntry): number {
    return entry.mode & 0o777 & ~this.#parts.umask;
  }

  #pathOf(parts: readonly Buffer[]): Buffer {
    return Buffer.concat([this.#parts.root, ...parts.flatMap((part) => [Buffer.from('/'), part])]);
  }
}

/** Returns an unused name in the folder of a path. */
function beside(path: Buffer): Buffer {
  const name = Buffer.from(`.banger-${randomBytes(8).toString('hex')}`);
  return Buffer.concat([path.subarray(0, path.lastIndexOf('/') + 1), name]);
}

async function isThere(path: Buffer): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    return false;
  }
}

function keyOf(parts: readonly Buffer[]): string {
  return parts.map((part) => part.toString('latin1')).join('/');
}
