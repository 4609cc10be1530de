import type { BuildImageRequest, PullImageRequest } from '../../protocol/api/image.ts';
import type { Task } from '../../protocol/events.ts';
import { formatImageRef, parseImageRef } from '../../protocol/image/image-ref.ts';
import { archOfPlatform, imageNameFor, type Platform } from '../../protocol/image/platform.ts';
import type { NewImage } from '../ports/images/image-store.ts';
import type { StoredImage } from '../ports/images/stored-image.ts';
import { requireOwnArch, requireSameArch, wantedImage } from '../vms/plan/find-image.ts';
import type { BootStores } from '../vms/world.ts';

/**
 * Builds the image `name` with its kernel, or finds it built.
 *
 * @throws {AppError} IMAGE_PLATFORM_UNSUPPORTED; what `ImageStore.build` throws.
 */
export async function buildImage(
  { images }: Pick<BootStores, 'images'>,
  given: string,
  { platform, force = false, ...task }: Task & BuildImageRequest,
): Promise<StoredImage> {
  const { base, arch } = wantedImage(images, given, platform);
  if (images.recipes().includes(base)) requireOwnArch(images, base, arch);
  return await images.build(base, { ...task, force });
}

/** What every way to make an image lets its caller choose. */
interface ImageChoice {
  name: string;
  platform?: Platform;
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
 * Makes an image for the platform that was chosen, or this host's. Checks first that the kernel that was
 * chosen for it exists and fits.
 *
 * @throws {AppError} KERNEL_NOT_FOUND, KERNEL_DAMAGED, KERNEL_PLATFORM_DIFFERS; what `ImageStore.add` throws.
 */
export async function addImage(
  { images, kernels }: BootStores,
  {
    name: base,
    platform,
    kernel,
    force = false,
    ...content
  }: ImageChoice & Pick<NewImage, 'origin' | 'archive'>,
  task: Task,
): Promise<StoredImage> {
  const arch = platform === undefined ? images.arch : archOfPlatform(platform);
  const name = imageNameFor(base, { arch, hostArch: images.arch });
  if (kernel !== undefined) requireSameArch(await kernels.get(kernel, task), { name, arch });
  const chosen = kernel === undefined ? {} : { kernelName: kernel };
  return await images.add(name, { ...content, arch, force, ...chosen }, task);
}
