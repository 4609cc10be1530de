import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { SharedWork } from '../../../base/async.ts';
import { AppError, isAppError, isErrno } from '../../../base/errors.ts';
import { type FileLock, lock, passingLock, tryPassingLock } from '../../../base/files/file-lock.ts';
import { addHolder, hasLiveHolder } from '../../../base/files/holders.ts';
import { readdirIfThere } from '../../../base/files/if-there.ts';
import { openStaging, sweepStaging } from '../../../base/files/staging.ts';
import type { Logger } from '../../../base/log.ts';
import type { BlobStore } from '../../../core/ports/images/blob-store.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { ImageOrigin } from '../../../core/ports/images/image-origin.ts';
import type { VmRoot } from '../../../core/ports/images/image-source.ts';
import type {
  ImageStore,
  NewImage,
  PrunedImages,
  PruneOptions,
} from '../../../core/ports/images/image-store.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';
import type { ImageDiskUsage } from '../../../protocol/api/image-space.ts';
import type { Report, Task } from '../../../protocol/events.ts';
import { checkPlainImageName, fullImageRef } from '../../../protocol/image/image-ref.ts';
import { imageNameFor, platformOf, splitImageName } from '../../../protocol/image/platform.ts';
import { diskUsageOf } from './disk-usage.ts';
import { listNames, readImage, removeTree, resolveName } from './image-files.ts';
import { hexOf, imageLayout, isBuildLock, linkNameOf, storeLayout } from './layout.ts';
import { type ImageMaker, makeImage, openContentStaging } from './make-image.ts';
import { IMAGE_ID, imageDamaged } from './manifest-schema.ts';
import { removeUnused } from './remove-unused.ts';

/** What the image store needs. */
export interface ImageStoreOptions extends ImageMaker {
  /** names of the images that can be built */
  recipes: readonly string[];
  blobs: BlobStore;
  log: Logger;
}

/** An image to make, as callers share it. */
interface Making {
  name: string;
  origin: ImageOrigin;
  arch: GuestArch;
  archive?: string;
  kernelName?: string;
  root?: VmRoot;
  isCopied?: boolean;
  force: boolean;
}

/** Images as folders; `layout.ts` shows their files. */
export class FsImageStore implements ImageStore {
  readonly #options: ImageStoreOptions;
  readonly #making = new SharedWork<StoredImage>();
  readonly #listeners = new Map<string, Set<Report>>();

  constructor(options: ImageStoreOptions) {
    this.#options = options;
  }

  get arch(): GuestArch {
    return this.#options.arch;
  }

  recipes(): readonly string[] {
    return this.#options.recipes;
  }

  async list(): Promise<StoredImage[]> {
    await this.#sweep();
    const images: StoredImage[] = [];
    for (const { name, id } of await listNames(this.#options.imagesDir)) {
      try {
        const image = await readImage(this.#blobDir(id), name);
        if (image) images.push({ ...image, name });
      } catch (error) {
        if (!isAppError(error, 'IMAGE_DAMAGED')) throw error;
        this.#options.log.warn('an image is skipped', { image: name, error });
      }
    }
    return images;
  }

  async get(given: string): Promise<StoredImage> {
    const found = await this.#resolve(given);
    if (!found) throw this.#notFound(given);
    const { name, id } = found;
    const image = await readImage(this.#blobDir(id), name);
    if (!image) throw imageDamaged(name, `"${this.#blobDir(id)}" is missing`);
    return { ...image, name };
  }

  async getById(id: string): Promise<StoredImage> {
    const image = IMAGE_ID.test(id) ? await readImage(this.#blobDir(id), id) : undefined;
    if (!image) {
      throw new AppError('IMAGE_NOT_FOUND', `Cannot find the image "${id}": it was removed from the store`, {
        hint: 'a VM made from it can no longer start; create a new VM',
        details: { id },
      });
    }
    return image;
  }

  async hold(id: string, holderDir: string, { signal }: Abortable): Promise<void> {
    using _held = await this.#lock(signal);
    await this.getById(id);
    await addHolder(imageLayout(this.#blobDir(id)).holders, holderDir);
  }

  async build(name: string, { force, ...task }: Task & { force: boolean }): Promise<StoredImage> {
    if (!this.recipes().includes(name)) throw this.#unknown(name);
    return await this.#make({ name, origin: { kind: 'recipe', recipe: name }, arch: this.arch, force }, task);
  }

  async add(name: string, request: NewImage, task: Task): Promise<StoredImage> {
    if (linkNameOf(name) === undefined) checkPlainImageName(splitImageName(name).base);
    return await this.#make({ name, ...request }, task);
  }

  async delete(given: string, { signal }: Abortable): Promise<void> {
    const { imagesDir } = this.#options;
    using _held = await this.#lock(signal);
    const found = await this.#resolve(given);
    if (!found) throw this.#notFound(given);
    await rm(join(imagesDir, linkNameOf(found.name) ?? ''), { force: true });
    const named = new Set((await listNames(imagesDir)).map((one) => one.id));
    if (!named.has(found.id)) await this.#removeUnlessHeld(hexOf(found.id));
    await removeUnused(this.#options, { signal, isDryRun: false });
  }

  async release(id: string, { signal }: Abortable): Promise<void> {
    using _held = await this.#lock(signal);
    const names = await listNames(this.#options.imagesDir);
    if (names.some((named) => named.id === id)) return;
    await this.#removeUnlessHeld(hexOf(id));
    await removeUnused(this.#options, { signal, isDryRun: false });
  }

  async prune({ isDryRun = false, isOnlyCaches = false, ...options }: PruneOptions): Promise<PrunedImages> {
    const { imagesDir } = this.#options;
    await this.#sweep();
    using _held = await this.#lock(options.signal);
    const gone = new Set<string>();
    let freedBytes = 0;
    const named = new Set((await listNames(imagesDir)).map(({ id }) => hexOf(id)));
    for (const hex of isOnlyCaches ? [] : await readdirIfThere(storeLayout(imagesDir).blobs)) {
      if (named.has(hex) || (await this.#isHeld(hex))) continue;
      gone.add(hex);
      freedBytes += await this.#diskBytes(hex);
      if (!isDryRun) await this.#removeUnlessHeld(hex);
    }
    const removing = { ...options, isDryRun, isOnlyCaches, without: gone };
    const { bytes, ...counts } = await removeUnused(this.#options, removing);
    return { imageCount: gone.size, ...counts, freedBytes: freedBytes + bytes };
  }

  async diskUsage({ signal }: Abortable): Promise<ImageDiskUsage> {
    const { imagesDir, blobs, kernels } = this.#options;
    const { freedBytes: reclaimableBytes } = await this.prune({ signal, isDryRun: true });
    const images: StoredImage[] = [];
    const held = new Set<string>();
    for (const hex of await readdirIfThere(storeLayout(imagesDir).blobs)) {
      const image = await this.#readIfWhole(hex);
      if (image) images.push(image);
      if (image && (await this.#isHeld(hex))) held.add(image.id);
    }
    const content = { images, names: await listNames(imagesDir), held, blobs: await blobs.list() };
    return diskUsageOf(content, { reclaimableBytes, ...(await kernels.diskUsage()) });
  }

  async withContent<T>(
    name: string,
    work: (image: StoredImage, workDir: string) => Promise<T>,
    { signal }: Abortable,
  ): Promise<T> {
    await this.get(name);
    await this.#sweep();
    await using folder = await openContentStaging(this.#options.imagesDir, { ...this.#options, signal });
    // Again, because it may have been deleted before there was the folder.
    return await work(await this.get(name), folder.dir);
  }

  async #make(making: Making, task: Task): Promise<StoredImage> {
    // The root of a VM is told apart by the time in its origin.
    const key = JSON.stringify({ ...making, root: undefined });
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(task.report));
    const report: Report = (event) => {
      for (const listener of listeners) listener(event);
    };
    try {
      return await this.#making.run(key, (signal) => this.#makeOnce(making, { report, signal }), task);
    } finally {
      listeners.delete(task.report);
    }
  }

  async #makeOnce(making: Making, { report, signal }: Task): Promise<StoredImage> {
    const { imagesDir } = this.#options;
    const { name, origin, force } = making;
    const before = await this.#getIfWhole(name);
    if (before && !force) {
      requireOrigin(before, origin);
      if (origin.kind === 'recipe') return before;
    }
    await mkdir(imagesDir, { recursive: true, mode: 0o755 });
    using _held = await passingLock(storeLayout(imagesDir).buildLock(name), {
      signal,
      onWait: () => report({ event: 'progress', stage: 'wait', detail: 'another process is making it' }),
    });
    const now = await this.#getIfWhole(name);
    // Another process has done the work while this one waited.
    if (now && now.id !== before?.id) return now;
    await this.#sweep();
    const current = now && !force ? { current: now } : {};
    await makeImage({ ...making, ...current }, this.#options, { report, signal });
    return await this.get(name);
  }

  async #getIfWhole(name: string): Promise<StoredImage | undefined> {
    try {
      return await this.get(name);
    } catch (error) {
      if (isAppError(error, 'IMAGE_NOT_FOUND', 'IMAGE_DAMAGED')) return undefined;
      throw error;
    }
  }

  /** The name may be a plain one, or any form of a reference; plain ones come first. */
  async #resolve(given: string): Promise<{ name: string; id: string } | undefined> {
    const { imagesDir, arch: hostArch } = this.#options;
    const { base, arch = hostArch } = splitImageName(given);
    for (const one of [base, fullImageRef(base)]) {
      const name = one === undefined ? undefined : imageNameFor(one, { arch, hostArch });
      const id = name === undefined ? undefined : await resolveName(imagesDir, name);
      if (name !== undefined && id !== undefined) return { name, id };
    }
    return undefined;
  }

  async #isHeld(hex: string): Promise<boolean> {
    return await hasLiveHolder(imageLayout(this.#blobDir(hex)).holders);
  }

  async #diskBytes(hex: string): Promise<number> {
    return (await this.#readIfWhole(hex))?.diskBytes ?? 0;
  }

  async #readIfWhole(hex: string): Promise<StoredImage | undefined> {
    try {
      return await readImage(this.#blobDir(hex), hex);
    } catch (error) {
      if (isAppError(error, 'IMAGE_DAMAGED')) return undefined;
      throw error;
    }
  }

  /** The caller holds the lock. */
  async #removeUnlessHeld(hex: string): Promise<void> {
    const { imagesDir } = this.#options;
    const { blobs, staging } = storeLayout(imagesDir);
    if (await this.#isHeld(hex)) return;
    await using folder = await openStaging(staging, this.#staging());
    try {
      await rename(join(blobs, hex), join(folder.dir, hex));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  async #sweep(): Promise<void> {
    const { imagesDir } = this.#options;
    await sweepStaging(storeLayout(imagesDir).staging, this.#staging());
    for (const name of await readdirIfThere(imagesDir)) {
      // A process that died in the middle has left it.
      if (isBuildLock(name)) tryPassingLock(join(imagesDir, name))?.[Symbol.dispose]();
    }
  }

  async #lock(signal: AbortSignal): Promise<FileLock> {
    const { imagesDir } = this.#options;
    await mkdir(imagesDir, { recursive: true, mode: 0o755 });
    return await lock(storeLayout(imagesDir).lock, { signal });
  }

  #staging() {
    const { uid, env } = this.#options;
    return { removeTree: (dir: string) => removeTree(dir, { uid, env }) };
  }

  #blobDir(idOrHex: string): string {
    return join(storeLayout(this.#options.imagesDir).blobs, hexOf(idOrHex));
  }

  #notFound(name: string): AppError {
    const known = this.recipes();
    const { base, arch } = splitImageName(name);
    const canBePulled = fullImageRef(base) !== undefined;
    const platform = arch === undefined ? '' : `--platform ${platformOf(arch)} `;
    const hint = known.includes(name)
      ? `build it: banger image build ${name}`
      : [
          'list existing images: banger image list',
          `images that can be built: ${known.join(', ')}`,
          ...(canBePulled ? [`from a registry: banger image pull ${platform}${base}`] : []),
        ].join('; ');
    return new AppError('IMAGE_NOT_FOUND', `Cannot find image "${name}": it is not in the store`, {
      hint,
      details: { image: name, recipes: known },
    });
  }

  #unknown(name: string): AppError {
    const known = this.recipes();
    return new AppError('IMAGE_UNKNOWN', `Cannot build image "${name}": there is no recipe with that name`, {
      hint: `build one of: ${known.join(', ')}`,
      details: { image: name, recipes: known },
    });
  }
}

/** Whether two images come from the same place, whatever was there at the time. */
function sameOrigin(one: ImageOrigin, other: ImageOrigin): boolean {
  const [first, second] = [one, other].map((origin) => JSON.stringify({ ...origin, contentKey: undefined }));
  return first === second;
}

/** @throws {AppError} IMAGE_EXISTS when the name belongs to an image of another origin. */
function requireOrigin({ name, provenance }: StoredImage, origin: ImageOrigin): void {
  // A reference says where its image comes from; two of them may share it.
  if (name.includes('/') || sameOrigin(provenance.origin, origin)) return;
  throw new AppError('IMAGE_EXISTS', `Cannot make image "${name}": another image has this name`, {
    hint: `give another --name, or delete it first: banger image delete ${name}`,
    details: { image: name },
  });
}
