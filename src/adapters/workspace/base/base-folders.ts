import { lstat, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../../base/errors.ts';
import { readdirIfThere } from '../../../base/files/if-there.ts';
import type { BaseRequest, StoredBase } from '../../../core/ports/work-disk-bases.ts';
import {
  type BaseManifest,
  type BaseName,
  type BaseRepository,
  baseFiles,
  baseKey,
  newestOf,
  parseBaseManifest,
  parseBaseName,
} from './base-manifest.ts';

/** A base as it is on disk. */
export interface FoundBase {
  folder: BaseName;
  manifest: BaseManifest;
  base: StoredBase;
}

/**
 * Whether the folder of the store is this user's, and closed to others: nobody else can have put a base
 * there.
 */
export async function isOwn(basesDir: string): Promise<boolean> {
  try {
    const { uid, mode } = await lstat(basesDir);
    return uid === process.getuid?.() && (mode & 0o077) === 0;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** The names of all entries of the store, without the staging area. */
export async function entriesOf(basesDir: string): Promise<string[]> {
  return (await readdirIfThere(basesDir)).filter((name) => !name.startsWith('.'));
}

/** The folder of a key that counts. */
export async function newestFolder(basesDir: string, key: string): Promise<BaseName | undefined> {
  const names = (await entriesOf(basesDir)).map(parseBaseName).filter((one) => one !== undefined);
  return newestOf(names.filter((one) => one.key === key))[0];
}

/** Reads a base; `undefined` when it is missing, not whole, or may be damaged by a power failure. */
export async function readBase(basesDir: string, folder: BaseName): Promise<FoundBase | undefined> {
  const { key, name } = folder;
  const files = baseFiles(join(basesDir, name));
  try {
    const manifest = parseBaseManifest(await readFile(files.manifest, 'utf8'));
    if (manifest?.key !== key) return undefined;
    if (manifest.bootId !== undefined && manifest.bootId !== (await bootId())) return undefined;
    const disk = await stat(files.disk);
    if (disk.size !== manifest.diskSizeBytes) return undefined;
    const { mtime } = await stat(files.manifest);
    const { createdAt, imageName, diskSizeBytes, repository } = manifest;
    const base = {
      ...{ key, repoRoot: repository.root, imageName, diskSizeBytes, createdAt },
      diskBytes: disk.blocks * 512,
      lastUsedAt: mtime.toISOString(),
    };
    return { folder, manifest, base };
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}

/** Key of the base for a request, from the repository that is there now. */
export function keyOf(request: BaseRequest, repository: BaseRepository): string {
  const { folder, content, image, diskSizeBytes } = request;
  const isWithUntracked = content.includeUntracked ?? false;
  const isWhole = content.mode === 'full_copy';
  const hasSubmodules = !content.noSubmodules;
  const choice = { isWithUntracked, isWhole, hasSubmodules };
  return baseKey({ repository, folder, ...choice, imageId: image.id, diskSizeBytes });
}

/** The repository that is at `root` now. */
export async function repositoryAt(root: string): Promise<BaseRepository | undefined> {
  try {
    const found = await stat(root, { bigint: true });
    return found.isDirectory() ? { root, place: `${found.dev}:${found.ino}` } : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP', 'ENAMETOOLONG')) return undefined;
    throw error;
  }
}

/** What distinguishes this boot of the host from others. */
export async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}
