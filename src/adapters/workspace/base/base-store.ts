import { rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import { syncFolder, syncTree, writeFileAtomic } from '../../../base/files/atomic-file.ts';
import { reportNoSpace } from '../../../base/files/no-space.ts';
import { ensurePrivateDir } from '../../../base/files/private-dir.ts';
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
  entriesOf,
  type FoundBase,
  isOwn,
  keyOf,
  newestFolder,
  readBase,
  repositoryAt,
} from './base-folders.ts';
import { type BaseName, baseFiles, baseName, newestOf, parseBaseName } from './base-manifest.ts';
import { copySent } from './copy-sent.ts';
import { baseFailed, fillBase } from './fill-base.ts';

const staging = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

/** What the store needs. */
export interface BaseStoreOptions {
  basesDir: string;
  /** the program `banger-host` */
  hostTools: string;
  log: Logger;
}

/** Base images as folders; `base-manifest.ts` shows their files. */
export class FsWorkDiskBases implements WorkDiskBases {
  readonly #options: BaseStoreOptions;
  /** by the name of the folder */
  readonly #uses = new UseCounts();
  /** folders that are being removed: no use may begin */
  readonly #leaving = new Set<string>();
  readonly #background = new LatestTasks();

  constructor(options: BaseStoreOptions) {
    this.#options = options;
  }

  async ofTree(path: string): Promise<BaseOfTree | undefined> {
    if (!(await isOwn(this.#options.basesDir))) return undefined;
    const found = (await this.#whole()).find(({ base: { repoRoot } }) => isAtOrBelow(path, repoRoot));
    if (!found) return undefined;
    const { base, manifest, folder } = found;
    const now = await repositoryAt(base.repoRoot);
    if (now?.place !== manifest.repository.place) return undefined;
    const { disk, sent } = this.#files(folder.name);
    return { ...base, file: disk, sentDir: sent, sentCommit: manifest.sentCommit };
  }

  async use(request: BaseRequest, { signal }: Abortable): Promise<UsableBase | undefined> {
    const { basesDir } = this.#options;
    const place = (await isOwn(basesDir)) ? await repositoryAt(request.repoRoot) : undefined;
    const folder = place && (await newestFolder(basesDir, keyOf(request, place)));
    if (!folder || this.#leaving.has(folder.name)) return undefined;
    const held = this.#uses.hold(folder.name);
    try {
      const found = await readBase(basesDir, folder);
      signal.throwIfAborted();
      if (found) return await this.#usable(found, held);
    } catch (error) {
      held[Symbol.dispose]();
      // Another daemon of this user may remove it at any time.
      if (!isErrno(error, 'ENOENT')) throw error;
    }
    held[Symbol.dispose]();
    return undefined;
  }

  async #usable({ folder, manifest, base }: FoundBase, held: Disposable): Promise<UsableBase> {
    const files = this.#files(folder.name);
    const now = new Date();
    await utimes(files.manifest, now, now);
    const { sentCommit, headCommit } = manifest;
    return {
      ...base,
      file: files.disk,
      sentDir: files.sent,
      sentCommit,
      ...(headCommit === undefined ? {} : { headCommit }),
      copySent: (dir) => copySent(files.sent, dir),
      [Symbol.dispose]: () => {
        held[Symbol.dispose]();
        this.#background.begin(`replaced ${folder.key}`, () => this.#removeReplaced(folder.key));
      },
    };
  }

  async make(request: BaseRequest, options: Abortable & { packed: PackedWorkspace }): Promise<void> {
    const repository = await repositoryAt(request.repoRoot);
    if (!repository) throw baseFailed(request, 'the repository is gone');
    const { basesDir, hostTools } = this.#options;
    await ensurePrivateDir(basesDir);
    const key = keyOf(request, repository);
    const filling = { ...options, key, request, repository, hostTools };
    const target = { what: 'a base image', dir: basesDir };
    const make = async (): Promise<BaseName> => {
      await using area = await openStaging(join(basesDir, '.staging'), staging);
      const files = baseFiles(join(area.dir, key));
      await reportNoSpace(() => fillBase(files, filling), target);
      options.signal.throwIfAborted();
      return await this.#publish(key, files.dir);
    };
    const { name } = await reportNoSpace(make, target);
    await this.#removeReplaced(key);
    this.#background.begin(`durable ${name}`, () => this.#makeDurable(name));
  }

  /** Gives a whole base the next number of its key. */
  async #publish(key: string, dir: string): Promise<BaseName> {
    for (;;) {
      const folder = baseName(key, ((await newestFolder(this.#options.basesDir, key))?.number ?? 0) + 1);
      try {
        await rename(dir, this.#files(folder.name).dir);
        return folder;
      } catch (error) {
        // Another daemon of this user has just made one.
        if (!isErrno(error, 'ENOTEMPTY', 'EEXIST')) throw error;
      }
    }
  }

  /** From then on a base also counts after a power failure. Best effort: it is made again otherwise. */
  async #makeDurable(name: string): Promise<void> {
    const files = this.#files(name);
    try {
      await syncTree(files.dir);
      const folder = parseBaseName(name);
      const found = folder && (await readBase(this.#options.basesDir, folder));
      if (!found) return;
      const { bootId: _, ...durable } = found.manifest;
      const { mtime } = await stat(files.manifest);
      await writeFileAtomic(files.manifest, JSON.stringify(durable));
      await utimes(files.manifest, mtime, mtime);
      await syncFolder(this.#options.basesDir);
    } catch (error) {
      // It may be removed meanwhile.
      this.#options.log.debug('a base image is not durable', { name, error });
    }
  }

  async list(): Promise<StoredBase[]> {
    return (await this.#whole()).map(({ base }) => base);
  }

  async prune({ maxBytes, isDryRun = false }: PruneBasesOptions): Promise<StoredBase[]> {
    if (!isDryRun) await this.sweep();
    const whole = await this.#whole();
    const gone: StoredBase[] = [];
    let total = whole.reduce((sum, { base }) => sum + base.diskBytes, 0);
    for (const { folder, manifest, base } of whole.reverse()) {
      const now = await repositoryAt(base.repoRoot);
      const isOrphan = now?.place !== manifest.repository.place;
      if ((!isOrphan && total <= maxBytes) || this.#uses.has(folder.name)) continue;
      if (!isDryRun && !(await this.#remove(folder.name))) continue;
      total -= base.diskBytes;
      gone.push(base);
    }
    return gone;
  }

  async sweep(): Promise<void> {
    const { basesDir } = this.#options;
    await sweepStaging(join(basesDir, '.staging'), staging);
    // Read once: what appears later is whole.
    const entries = await entriesOf(basesDir);
    const counting = newestOf(entries.map(parseBaseName).filter((one) => one !== undefined));
    const whole = await Promise.all(counting.map((folder) => readBase(basesDir, folder)));
    const names = new Set(whole.map((found) => found?.folder.name));
    for (const name of entries) if (!names.has(name)) await this.#remove(name);
  }

  /** Waits until all bases that were made are durable, and those that they replaced are gone. */
  async settled(): Promise<void> {
    await this.#background.settled();
  }

  /** The bases that count; last used first. */
  async #whole(): Promise<FoundBase[]> {
    const { basesDir } = this.#options;
    const names = (await entriesOf(basesDir)).map(parseBaseName).filter((one) => one !== undefined);
    const found = await Promise.all(newestOf(names).map((folder) => readBase(basesDir, folder)));
    return found
      .filter((one) => one !== undefined)
      .sort((a, b) => b.base.lastUsedAt.localeCompare(a.base.lastUsedAt));
  }

  /** Removes the bases of a key that a later one has replaced, except those in use. Best effort. */
  async #removeReplaced(key: string): Promise<void> {
    try {
      const names = (await entriesOf(this.#options.basesDir)).map(parseBaseName);
      const same = names.filter((one) => one?.key === key).filter((one) => one !== undefined);
      const [newest] = newestOf(same);
      for (const { name } of same) if (name !== newest?.name) await this.#remove(name);
    } catch (error) {
      this.#options.log.warn('a base image that was replaced could not be removed', { key, error });
    }
  }

  /**
   * Removes a folder from view at once, unless it is in use; returns whether it did. VMs have links of their
   * own to its disk.
   */
  async #remove(name: string): Promise<boolean> {
    if (this.#uses.has(name)) return false;
    this.#leaving.add(name);
    try {
      await using area = await openStaging(join(this.#options.basesDir, '.staging'), staging);
      await rename(this.#files(name).dir, join(area.dir, name));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    } finally {
      this.#leaving.delete(name);
    }
    return true;
  }

  #files(name: string): ReturnType<typeof baseFiles> {
    return baseFiles(join(this.#options.basesDir, name));
  }
}

function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}
