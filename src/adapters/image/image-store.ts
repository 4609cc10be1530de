import { createHash } from 'node:crypto';
import { mkdir, rename, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { SharedWork } from '../../base/async.ts';
import { AppError, isAppError, isErrno } from '../../base/errors.ts';
import { type FileLock, lock } from '../../base/files/file-lock.ts';
import { openStaging, sweepStaging } from '../../base/files/staging.ts';
import { toolEnv } from '../../base/process/programs.ts';
import type { ImageStore, StoredImage } from '../../core/ports/images.ts';
import type { Report, Task } from '../../protocol/events.ts';
import { buildImage, type ImageBuildHost } from './build-image.ts';
import {
  hasLiveHolder,
  listNames,
  readdirIfThere,
  readImage,
  removeTree,
  resolveName,
} from './image-files.ts';
import { hexOf, imageLayout, storeLayout } from './layout.ts';
import { IMAGE_ID, imageDamaged } from './manifest-schema.ts';
import { checkHost } from './preflight.ts';
import type { DebianRecipe } from './recipe.ts';

/** What the image store needs. */
export interface ImageStoreOptions extends ImageBuildHost {
  /** images that can be built: `RECIPES` */
  recipes: readonly DebianRecipe[];
}

type BuildRequest = Task & { force: boolean };

/** Images as folders; `layout.ts` shows their files. */
export class FsImageStore implements ImageStore {
  readonly #options: ImageStoreOptions;
  readonly #builds = new SharedWork<StoredImage>();
  readonly #listeners = new Map<string, Set<Report>>();

  constructor(options: ImageStoreOptions) {
    this.#options = options;
  }

  recipes(): readonly string[] {
    return this.#options.recipes.map(({ name }) => name);
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

  async get(name: string): Promise<StoredImage> {
    const id = await resolveName(this.#options.imagesDir, name);
    if (!id) throw this.#notFound(name);
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
    const { holders } = imageLayout(this.#blobDir(id));
    // A relative link would be resolved inside the store and look like a deleted folder.
    const target = resolve(holderDir);
    const name = createHash('sha256').update(target).digest('hex').slice(0, 16);
    try {
      await symlink(target, join(holders, name));
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
    }
  }

  async build(name: string, request: BuildRequest): Promise<StoredImage> {
    const recipe = this.#options.recipes.find((one) => one.name === name);
    if (!recipe) throw this.#unknown(name);
    const key = `${name} ${request.force}`;
    const listeners = this.#listeners.get(key) ?? new Set();
    this.#listeners.set(key, listeners.add(request.report));
    const report: Report = (event) => {
      for (const listener of listeners) listener(event);
    };
    try {
      const { force } = request;
      return await this.#builds.run(
        key,
        (signal) => this.#buildOnce(recipe, { force, report, signal }),
        request,
      );
    } finally {
      listeners.delete(request.report);
    }
  }

  async delete(name: string, { signal }: Abortable): Promise<void> {
    const { imagesDir } = this.#options;
    using _held = await this.#lock(signal);
    const id = await resolveName(imagesDir, name);
    if (!id) throw this.#notFound(name);
    await rm(join(imagesDir, name), { force: true });
    const named = new Set((await listNames(imagesDir)).map((one) => one.id));
    if (!named.has(id)) await this.#removeUnlessHeld(hexOf(id));
    await this.#releaseKernels(signal);
  }

  async prune({ signal }: Abortable): Promise<void> {
    const { imagesDir } = this.#options;
    await this.#sweep();
    using _held = await this.#lock(signal);
    const named = new Set((await listNames(imagesDir)).map(({ id }) => hexOf(id)));
    for (const hex of await readdirIfThere(storeLayout(imagesDir).blobs)) {
      if (!named.has(hex)) await this.#removeUnlessHeld(hex);
    }
    await this.#releaseKernels(signal);
  }

  async #buildOnce(recipe: DebianRecipe, { force, report, signal }: BuildRequest): Promise<StoredImage> {
    const { imagesDir, uid, env } = this.#options;
    const before = await this.#getIfWhole(recipe.name);
    if (before && !force) return before;
    await mkdir(imagesDir, { recursive: true, mode: 0o755 });
    using _held = await lock(storeLayout(imagesDir).buildLock(recipe.name), {
      signal,
      onWait: () => report({ event: 'progress', stage: 'wait', detail: 'another process is building it' }),
    });
    const now = await this.#getIfWhole(recipe.name);
    // Another process has done the work while this one waited.
    if (now && (!force || now.id !== before?.id)) return now;
    await checkHost({ imageName: recipe.name, dir: imagesDir, uid, env: toolEnv(env), signal });
    await this.#sweep();
    await buildImage(recipe, this.#options, { report, signal });
    return await this.get(recipe.name);
  }

  async #getIfWhole(name: string): Promise<StoredImage | undefined> {
    try {
      return await this.get(name);
    } catch (error) {
      if (isAppError(error, 'IMAGE_NOT_FOUND', 'IMAGE_DAMAGED')) return undefined;
      throw error;
    }
  }

  /** The caller holds the lock. */
  async #removeUnlessHeld(hex: string): Promise<void> {
    const { imagesDir } = this.#options;
    const { blobs, staging } = storeLayout(imagesDir);
    if (await hasLiveHolder(imageLayout(join(blobs, hex)).holders)) return;
    await using folder = await openStaging(staging, this.#staging());
    try {
      await rename(join(blobs, hex), join(folder.dir, hex));
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }

  /**
   * Removes kernels that no image uses. If an image cannot be read, it could use any of them, so all stay.
   */
  async #releaseKernels(signal: AbortSignal): Promise<void> {
    const { imagesDir, kernels, log } = this.#options;
    const used = new Set<string>();
    try {
      for (const hex of await readdirIfThere(storeLayout(imagesDir).blobs)) {
        const image = await readImage(this.#blobDir(hex), hex);
        if (image) used.add(image.kernelName);
      }
    } catch (error) {
      if (!isAppError(error, 'IMAGE_DAMAGED')) throw error;
      log.warn('unused kernels are kept', { error });
      return;
    }
    await kernels.retainOnly(used, { signal });
  }

  async #sweep(): Promise<void> {
    await sweepStaging(storeLayout(this.#options.imagesDir).staging, this.#staging());
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
    const hint = known.includes(name)
      ? `build it: banger image build ${name}`
      : `list existing images: banger image list; images that can be built: ${known.join(', ')}`;
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
