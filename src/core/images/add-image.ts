import type { PullImageRequest } from '../../protocol/api/image.ts';
import type { Task } from '../../protocol/events.ts';
import { formatImageRef, parseImageRef } from '../../protocol/image/image-ref.ts';
import type { NewImage } from '../ports/images/image-store.ts';
import type { StoredImage } from '../ports/images/stored-image.ts';
import type { BootStores } from '../vms/world.ts';

/** What every way to make an image lets its caller choose. */
interface ImageChoice {
  name: string;
  kernel?: string;
  force?: boolean;
}

/**
 * Makes an image of what a registry has now under a reference, named after that unless the request names it.
 *
 * @throws {AppError} IMAGE_REFERENCE_INVALID; what {@link addImage} throws.
 */
export async function pullImage(
  world: BootStores,
  { reference: given, ...choice }: PullImageRequest,
  task: Task,
): Promise<StoredImage> {
  const reference = formatImageRef(parseImageRef(given));
  return await addImage(world, { name: reference, ...choice, origin: { kind: 'registry', reference } }, task);
}

/**
 * Makes an image. Checks first that the kernel that was chosen for it exists.
 *
 * @throws {AppError} KERNEL_NOT_FOUND, KERNEL_DAMAGED; what `ImageStore.add` throws.
 */
export async function addImage(
  { images, kernels }: BootStores,
  { name, kernel, force = false, origin }: ImageChoice & Pick<NewImage, 'origin'>,
  task: Task,
): Promise<StoredImage> {
  if (kernel !== undefined) await kernels.get(kernel, task);
  const chosen = kernel === undefined ? {} : { kernelName: kernel };
  return await images.add(name, { origin, force, ...chosen }, task);
}
