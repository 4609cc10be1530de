import { isAppError } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import { fullImageRef, saysWhereItIs } from '../../../protocol/image/image-ref.ts';
import type { StoredKernel } from '../../ports/images/kernels.ts';
import type { StoredImage } from '../../ports/images/stored-image.ts';
import type { BootStores } from '../world.ts';

/**
 * Finds the image `name`. One that is missing is built when there is a recipe of that name, and pulled when
 * the name says where it is.
 *
 * @throws {AppError} IMAGE_*, REGISTRY_*, HOST_NO_SPACE.
 */
export async function findImage(
  { images }: Pick<BootStores, 'images'>,
  name: string,
  task: Task,
): Promise<StoredImage> {
  try {
    return await images.get(name);
  } catch (error) {
    if (!isAppError(error, 'IMAGE_NOT_FOUND')) throw error;
    if (images.recipes().includes(name)) {
      announce(`image "${name}" does not exist yet: building it (only once)`, task);
      return await images.build(name, { ...task, force: false });
    }
    const reference = saysWhereItIs(name) ? fullImageRef(name) : undefined;
    if (reference === undefined) throw error;
    announce(`image "${reference}" is not here yet: pulling it`, task);
    return await images.add(reference, { origin: { kind: 'registry', reference }, force: false }, task);
  }
}

/**
 * Finds the kernel that a VM of `image` boots: the one that the user chose, the one that the image brings, or
 * this host's default.
 *
 * @throws {AppError} KERNEL_*, and what fetching a kernel throws.
 */
export async function findKernel(
  { kernels }: Pick<BootStores, 'kernels'>,
  { image, chosen }: { image: StoredImage; chosen: string | undefined },
  task: Task,
): Promise<StoredKernel> {
  const name = chosen ?? image.kernelName;
  return name === undefined ? await kernels.getDefault(task) : await kernels.get(name, task);
}

function announce(message: string, { report }: Task): void {
  report({ event: 'notice', message });
}
