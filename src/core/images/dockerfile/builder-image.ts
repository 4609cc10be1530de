import { isAppError } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import type { StoredImage } from '../../ports/images/stored-image.ts';
import type { BootStores } from '../../vms/world.ts';

/** Name of the image whose guest builds Dockerfiles. */
export const BUILDER_IMAGE = 'banger-builder';

const ORIGIN = { kind: 'packages', set: 'builder-1' } as const;

/** Whether an image is only for banger itself. */
export function isHiddenImage({ provenance }: Pick<StoredImage, 'provenance'>): boolean {
  return provenance.origin.kind === 'packages';
}

/**
 * Finds the image whose guest builds Dockerfiles; makes it when there is none, or one of other packages.
 *
 * @throws {AppError} IMAGE_EXISTS when the user has an image of that name; what `ImageStore.add` throws.
 */
export async function findBuilderImage(
  { images }: Pick<BootStores, 'images'>,
  { report, signal }: Task,
): Promise<StoredImage> {
  const found = await currentImage(images);
  if (found && JSON.stringify(found.provenance.origin) === JSON.stringify(ORIGIN)) return found;
  report({ event: 'notice', message: 'preparing the system that builds Dockerfiles (only once)' });
  const force = found !== undefined && isHiddenImage(found);
  return await images.add(BUILDER_IMAGE, { origin: ORIGIN, arch: images.arch, force }, { report, signal });
}

async function currentImage(images: BootStores['images']): Promise<StoredImage | undefined> {
  try {
    return await images.get(BUILDER_IMAGE);
  } catch (error) {
    // A damaged one makes way for a new one.
    if (isAppError(error, 'IMAGE_NOT_FOUND', 'IMAGE_DAMAGED')) return undefined;
    throw error;
  }
}
