import { chmod, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isErrno } from '../../../base/errors.ts';
import { syncFolder, syncTree, writeFileAtomic } from '../../../base/files/atomic-file.ts';
import { linkTree } from '../../../base/files/link-tree.ts';
import { reportNoSpace } from '../../../base/files/no-space.ts';
import { openStaging, sweepStaging } from '../../../base/files/staging.ts';
import { LatestTasks } from '../../../base/latest-tasks.ts';
import type { Logger } from '../../../base/log.ts';
import { UseCounts } from '../../../base/use-counts.ts';
import type {
  BaseOfTree,
  BaseRequest,
  PruneBasesOptions,
  StoredBase,
  UsableBase,
  WorkDiskBases,
} from '../../../core/ports/work-disk-bases.ts';
import type { PackedWorkspace } from '../../../core/ports/workspace.ts';
import {
  type BaseFiles,
  type BaseManifest,
  type BaseRepository,
  baseFiles,
  baseKey,
  parseBaseManifest,
} from './base-manifest.ts';
import { makeDisk } from './make-disk.ts';

const KEY = /^[0-9a-f]{64}$/;
const staging = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

/** What the store needs. */
export interface BaseStoreOptions {
  basesDir: string;
  /** the program `banger-host` */
  hostTools: string;
  log: Logger;
}

/** A base as it is on disk. */
interface FoundBase {
  manifest: BaseManifest;
  base: StoredBase;
}

/** Base images as folders; `base-manifest.ts` shows their files. */
export class FsWorkDiskBases implements WorkDiskBases {
  readonly #options: BaseStoreOptions;
  readonly #uses = new UseCounts();
  readonly #syncing = new LatestTasks();

  constructor(options: BaseStoreOptions) {
    this.#options = options;
  }

  async ofTree(path: string): Promise<BaseOfTree | undefined> {
    const found = (await this.#all()).find(({ base: { repoRoot } }) => isAtOrBelow(path, repoRoot));
    if (!found) return undefined;
    const { base, manifest } = found;
    const now = await repositoryAt(base.repoRoot);
    if (now?.place !== manifest.repository.place) return undefined;
    return { ...base, sentDir: this.#files(base.key).sent, sentCommit: manifest.sentCommit };
  }

  async use(request: BaseRequest, { signal }: Abortable): Promise<UsableBase | undefined> {
    const place = await repositoryAt(request.repoRoot);
    if (!place) return undefined;
    const key = keyOf(request, place);
    const held = this.#uses.hold(key);
    try {
      const found = await this.#read(key);
      signal.throwIfAborted();
      if (!found) {
        held[Symbol.dispose]();
        return undefined;
      }
      const { dir: folder, manifest, disk, sent } = this.#files(key);
      const now = new Date();
      await utimes(manifest, now, now);
      const { sentCommit, headCommit } = found.manifest;
      return {
        ...found.base,
        file: disk,
        sentDir: sent,
        sentCommit,
        ...(headCommit === undefined ? {} : { headCommit }),
        copySent: async (dir) => {
          await rm(dir, { recursive: true, force: true });
          // Those of submodules are beside it (sent/kept-tree.ts).
          const kept = (await namesIn(folder)).filter((name) => name.startsWith(basename(sent)));
          await Promise.all(
            kept.map((name) => linkTree(join(folder, name), dir + name.slice(basename(sent).length))),
          );
        },
        [Symbol.dispose]: () => held[Symbol.dispose](),
      };
    } catch (error) {
      held[Symbol.dispose]();
      throw error;
    }
  }

  async make(request: BaseRequest, options: Abortable & { packed: PackedWorkspace }): Promise<void> {
    const repository = await repositoryAt(request.repoRoot);
    if (!repository) throw failed(request, 'the repository is gone');
    const { basesDir } = this.#options;
    await mkdir(basesDir, { recursive: true, mode: 0o700 });
    const key = keyOf(request, repository);
    await reportNoSpace(() => this.#make(key, { ...options, request, repository }), {
      what: 'a base image',
      dir: basesDir,
    });
    this.#syncing.begin(key, () => this.#makeDurable(key));
  }

  async #make(
    key: string,
    {
      request,
      repository,
      packed,
      signal,
    }: Abortable & { request: BaseRequest; repository: BaseRepository; packed: PackedWorkspace },
  ): Promise<void> {
    const { basesDir, hostTools } = this.#options;
    await using folder = await openStaging(join(basesDir, '.staging'), staging);
    const files = baseFiles(join(folder.dir, key));
    await mkdir(files.dir, { mode: 0o700 });
    const keeping = packed.keep(files.sent);
    keeping.catch(() => {});
    const { diskSizeBytes, folder: at, image } = request;
    try {
      await makeDisk(
        {
          ...{ hostTools, target: files.disk, sizeBytes: diskSizeBytes, uuid: key.slice(0, 32) },
          ...{ rootfsPath: image.rootfsPath, folder: at, tar: packed.tar, nowMs: Date.now() },
        },
        { signal },
      );
      await packed.done;
    } finally {
      // Nothing may write there any more when the folder is removed.
      await keeping.catch(() => {});
    }
    const sentCommit = await keeping;
    if (sentCommit === undefined) throw failed(request, 'git cannot store the tree that is sent');
    await chmod(files.disk, 0o400);
    const { headCommit } = packed.summary;
    const manifest: BaseManifest = {
      ...{ format: 1, key, repository, imageName: image.name, diskSizeBytes, sentCommit },
      ...(headCommit === undefined ? {} : { headCommit }),
      createdAt: new Date().toISOString(),
      bootId: await bootId(),
    };
    await writeFile(files.manifest, JSON.stringify(manifest), { mode: 0o600 });
    signal.throwIfAborted();
    await this.#remove(key);
    await rename(files.dir, this.#files(key).dir);
  }

  /** From then on a base also counts after a power failure. Best effort: it is made again otherwise. */
  async #makeDurable(key: string): Promise<void> {
    const files = this.#files(key);
    try {
      await syncTree(files.dir);
      const found = await this.#read(key);
      if (!found) return;
      const { bootId: _, ...durable } = found.manifest;
      const { mtime } = await stat(files.manifest);
      await writeFileAtomic(files.manifest, JSON.stringify(durable));
      await utimes(files.manifest, mtime, mtime);
      await syncFolder(this.#options.basesDir);
    } catch (error) {
      // It may be removed meanwhile.
      this.#options.log.debug('a base image is not durable', { key, error });
    }
  }

  async list(): Promise<StoredBase[]> {
    return (await this.#all()).map(({ base }) => base);
  }

  async prune({ maxBytes, isDryRun = false }: PruneBasesOptions): Promise<StoredBase[]> {
    if (!isDryRun) await this.sweep();
    const whole = await this.#all();
    const keys = new Set(whole.map(({ base }) => base.key));
    if (!isDryRun) {
      for (const key of await this.#keys()) if (!keys.has(key)) await this.#remove(key);
    }
    const gone: StoredBase[] = [];
    let total = whole.reduce((sum, { base }) => sum + base.diskBytes, 0);
    for (const { manifest, base } of whole.reverse()) {
      const now = await repositoryAt(base.repoRoot);
      const isOrphan = now?.place !== manifest.repository.place;
      if ((!isOrphan && total <= maxBytes) || this.#uses.has(base.key)) continue;
      if (!isDryRun) await this.#remove(base.key);
      total -= base.diskBytes;
      gone.push(base);
    }
    return gone;
  }

  async sweep(): Promise<void> {
    await sweepStaging(join(this.#options.basesDir, '.staging'), staging);
  }

  /** Waits until all bases that were made are durable. */
  async settled(): Promise<void> {
    await this.#syncing.settled();
  }

  async #all(): Promise<FoundBase[]> {
    const found = await Promise.all((await this.#keys()).map((key) => this.#read(key)));
    return found
      .filter((one) => one !== undefined)
      .sort((a, b) => b.base.lastUsedAt.localeCompare(a.base.lastUsedAt));
  }

  /** Reads a base; `undefined` when it is missing, not whole, or may be damaged by a power failure. */
  async #read(key: string): Promise<FoundBase | undefined> {
    const files = this.#files(key);
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
      return { manifest, base };
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
      throw error;
    }
  }

  /** Removes a base from view at once. VMs have links of their own to its disk. */
  async #remove(key: string): Promise<void> {
    await using folder = await openStaging(join(this.#options.basesDir, '.staging'), staging);
    try {
      await rename(this.#files(key).dir, join(folder.dir, key));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  #files(key: string): BaseFiles {
    return baseFiles(join(this.#options.basesDir, key));
  }

  async #keys(): Promise<string[]> {
    return (await namesIn(this.#options.basesDir)).filter((name) => KEY.test(name));
  }
}

/** What is in a folder; nothing when it is gone. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}

function keyOf(request: BaseRequest, repository: BaseRepository): string {
  const { folder, content, image, diskSizeBytes } = request;
  const isWithUntracked = content.includeUntracked ?? false;
  const isWhole = content.mode === 'full_copy';
  const hasSubmodules = !content.noSubmodules;
  const choice = { isWithUntracked, isWhole, hasSubmodules };
  return baseKey({ repository, folder, ...choice, imageId: image.id, diskSizeBytes });
}

function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** The repository that is at `root` now. */
async function repositoryAt(root: string): Promise<BaseRepository | undefined> {
  try {
    const found = await stat(root, { bigint: true });
    return found.isDirectory() ? { root, place: `${found.dev}:${found.ino}` } : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) return undefined;
    throw error;
  }
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

function failed({ repoRoot }: BaseRequest, why: string): AppError {
  return new AppError('WORKSPACE_BASE_FAILED', `Cannot make a base image of "${repoRoot}": ${why}`);
}
