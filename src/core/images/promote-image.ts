import type { Task } from '../../protocol/events.ts';
import type { StoredImage } from '../ports/images/stored-image.ts';
import type { BootStores } from '../vms/world.ts';

/**
 * Copies the file of a registered image into the store, so that the user's file may change or go. VMs that
 * were made before still need that file. An image that the store has made is returned as it is.
 *
 * @throws {AppError} IMAGE_NOT_FOUND, IMAGE_DAMAGED when the file has changed; HOST_NO_SPACE.
 */
export async function promoteImage(
  { images }: Pick<BootStores, 'images'>,
  name: string,
  task: Task,
): Promise<StoredImage> {
  const image = await images.get(name);
  const { origin } = image.provenance;
  const { arch } = image;
  if (!image.isUnmanaged || origin.kind !== 'file') return image;
  const kernel = image.kernelName === undefined ? {} : { kernelName: image.kernelName };
  return await images.add(image.name, { origin, arch, isCopied: true, force: true, ...kernel }, task);
}
