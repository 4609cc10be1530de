import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { readdirIfThere } from '../../../base/files/if-there.ts';
import type { Logger } from '../../../base/log.ts';
import type { BlobStore } from '../../../core/ports/images/blob-store.ts';
import type { KernelPublisher } from '../../../core/ports/images/kernels.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';
import { readImage } from './image-files.ts';
import { storeLayout } from './layout.ts';

/** What {@link removeUnused} has removed, or would remove. */
export interface RemovedUnused {
  blobCount: number;
  kernelCount: number;
  initrdCount: number;
  /** on disk */
  bytes: number;
}

/** What {@link removeUnused} works on. */
export interface UnusedWorld {
  imagesDir: string;
  kernels: KernelPublisher;
  blobs: BlobStore;
  log: Logger;
}

/** What {@link removeUnused} leaves alone. */
export interface RemoveUnusedOptions extends Abortable {
  isDryRun: boolean;
  /** kernels stay */
  isOnlyCaches?: boolean;
  /** younger blobs stay; default: 0 */
  keepBlobsForMs?: number;
  /** folders of images that are about to be removed */
  without?: ReadonlySet<string>;
}

/**
 * Removes the kernels and blobs that no image needs, and old initrds; the caller holds the store's lock. If
 * an image cannot be read, it could need any kernel and any blob, so all of these stay. While an image is
 * being made, all blobs stay.
 */
export async function removeUnused(world: UnusedWorld, options: RemoveUnusedOptions): Promise<RemovedUnused> {
  const { imagesDir, kernels, blobs, log } = world;
  const { signal, isDryRun, isOnlyCaches = false, keepBlobsForMs: keepForMs = 0, without } = options;
  let images: StoredImage[];
  try {
    images = await readAll(imagesDir, without ?? new Set());
  } catch (error) {
    if (!isAppError(error, 'IMAGE_DAMAGED')) throw error;
    log.warn('unused kernels and blobs are kept', { error });
    const onlyInitrds = await kernels.retainOnly('all', { signal, defaultsOf: new Set(), isDryRun });
    return { blobCount: 0, ...onlyInitrds };
  }
  const kernelNames = new Set(images.flatMap(({ kernelName }) => kernelName ?? []));
  const withoutOwn = images.filter(({ kernelName }) => kernelName === undefined);
  const defaultsOf = new Set(withoutOwn.map(({ arch }) => arch));
  const keptKernels = isOnlyCaches ? 'all' : kernelNames;
  const removed = await kernels.retainOnly(keptKernels, { signal, defaultsOf, isDryRun });
  const inProgress = await readdirIfThere(storeLayout(imagesDir).staging);
  if (inProgress.length > 0) return { blobCount: 0, ...removed };
  const needed = new Set(images.flatMap(({ provenance }) => provenance.blobs));
  const { count: blobCount, bytes } = await blobs.retainOnly(needed, { signal, isDryRun, keepForMs });
  return { ...removed, blobCount, bytes: removed.bytes + bytes };
}

async function readAll(imagesDir: string, without: ReadonlySet<string>): Promise<StoredImage[]> {
  const { blobs } = storeLayout(imagesDir);
  const images: StoredImage[] = [];
  for (const hex of await readdirIfThere(blobs)) {
    if (without.has(hex)) continue;
    const image = await readImage(join(blobs, hex), hex);
    if (image) images.push(image);
  }
  return images;
}
