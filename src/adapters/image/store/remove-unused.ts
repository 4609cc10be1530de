import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { readdirIfThere } from '../../../base/files/if-there.ts';
import type { Logger } from '../../../base/log.ts';
import type { BlobStore, RemovedBlobs } from '../../../core/ports/images/blob-store.ts';
import type { KernelPublisher } from '../../../core/ports/images/kernels.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';
import { readImage } from './image-files.ts';
import { storeLayout } from './layout.ts';

const NOTHING: RemovedBlobs = { count: 0, bytes: 0 };

/** What {@link removeUnused} works on. */
export interface UnusedWorld {
  imagesDir: string;
  kernels: KernelPublisher;
  blobs: BlobStore;
  log: Logger;
}

/**
 * Removes the kernels and blobs that no image needs; the caller holds the store's lock. If an image cannot be
 * read, it could need any of them, so all stay. While an image is being made, all blobs stay. `without` has
 * the folders of images that are about to be removed; with `isOnlyBlobs`, kernels stay.
 */
export async function removeUnused(
  { imagesDir, kernels, blobs, log }: UnusedWorld,
  {
    signal,
    isDryRun,
    isOnlyBlobs = false,
    without = new Set(),
  }: Abortable & { isDryRun: boolean; isOnlyBlobs?: boolean; without?: ReadonlySet<string> },
): Promise<RemovedBlobs> {
  let images: StoredImage[];
  try {
    images = await readAll(imagesDir, without);
  } catch (error) {
    if (!isAppError(error, 'IMAGE_DAMAGED')) throw error;
    log.warn('unused kernels and blobs are kept', { error });
    return NOTHING;
  }
  const kernelNames = new Set(images.flatMap(({ kernelName }) => kernelName ?? []));
  const withoutOwn = images.filter(({ kernelName }) => kernelName === undefined);
  const defaultsOf = new Set(withoutOwn.map(({ arch }) => arch));
  if (!isDryRun && !isOnlyBlobs) await kernels.retainOnly(kernelNames, { signal, defaultsOf });
  const inProgress = await readdirIfThere(storeLayout(imagesDir).staging);
  if (inProgress.length > 0) return NOTHING;
  const needed = new Set(images.flatMap(({ provenance }) => provenance.blobs));
  return await blobs.retainOnly(needed, { signal, isDryRun });
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
