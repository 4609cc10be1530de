import { AppError, isAppError } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import { fullImageRef, saysWhereItIs } from '../../../protocol/image/image-ref.ts';
import {
  archOfPlatform,
  imageNameFor,
  type Platform,
  platformOf,
  splitImageName,
} from '../../../protocol/image/platform.ts';
import type { GuestArch } from '../../ports/images/guest-arch.ts';
import type { ImageStore } from '../../ports/images/image-store.ts';
import type { StoredKernel } from '../../ports/images/kernels.ts';
import type { StoredImage } from '../../ports/images/stored-image.ts';
import type { BootStores } from '../world.ts';

/** The image that a request for a VM means. */
export interface WantedImage {
  /** a plain name, or a reference in any form, without an architecture */
  base: string;
  /** as the store has it */
  name: string;
  arch: GuestArch;
}

/** The image that a name and a platform mean together: the platform says which, and else the name. */
export function wantedImage(
  { arch: hostArch }: Pick<ImageStore, 'arch'>,
  given: string,
  platform: Platform | undefined,
): WantedImage {
  const { base, arch: named = hostArch } = splitImageName(given);
  const arch = platform === undefined ? named : archOfPlatform(platform);
  return { base, name: imageNameFor(base, { arch, hostArch }), arch };
}

/**
 * Finds an image. One that is missing is built when there is a recipe of that name, and pulled when the name
 * says where it is.
 *
 * @throws {AppError} IMAGE_*, REGISTRY_*, HOST_NO_SPACE.
 */
export async function findImage(
  { images }: Pick<BootStores, 'images'>,
  { base, name, arch }: WantedImage,
  task: Task,
): Promise<StoredImage> {
  try {
    return await images.get(name);
  } catch (error) {
    if (!isAppError(error, 'IMAGE_NOT_FOUND')) throw error;
    if (images.recipes().includes(base)) {
      requireOwnArch(images, base, arch);
      announce(`image "${base}" does not exist yet: building it (only once)`, task);
      return await images.build(base, { ...task, force: false });
    }
    const reference = saysWhereItIs(base) ? fullImageRef(base) : undefined;
    if (reference === undefined) throw error;
    const whole = imageNameFor(reference, { arch, hostArch: images.arch });
    announce(`image "${whole}" is not here yet: pulling it`, task);
    return await images.add(whole, { origin: { kind: 'registry', reference }, arch, force: false }, task);
  }
}

/**
 * Checks that the image `name` can be built for `arch` here: its packages bring scripts that the build runs.
 *
 * @throws {AppError} IMAGE_PLATFORM_UNSUPPORTED
 */
export function requireOwnArch(images: Pick<ImageStore, 'arch'>, name: string, arch: GuestArch): void {
  if (arch === images.arch) return;
  const platform = platformOf(arch);
  throw new AppError(
    'IMAGE_PLATFORM_UNSUPPORTED',
    `Cannot build image "${name}" for ${platform}: a build runs programs of its packages, and this host is ${platformOf(images.arch)}`,
    {
      hint: `use an image from a registry: banger vm run --platform ${platform} --image debian:12`,
      details: { image: name, platform },
    },
  );
}

/**
 * Finds the kernel that a VM of `image` boots: the one that the user chose, the one that the image brings, or
 * the default of its architecture.
 *
 * @throws {AppError} KERNEL_*, and what fetching a kernel throws.
 */
export async function findKernel(
  { kernels }: Pick<BootStores, 'kernels'>,
  { image, chosen }: { image: StoredImage; chosen: string | undefined },
  task: Task,
): Promise<StoredKernel> {
  const name = chosen ?? image.kernelName;
  if (name === undefined) return await kernels.getDefault(image.arch, task);
  const kernel = await kernels.get(name, task);
  requireSameArch(kernel, image);
  return kernel;
}

/**
 * Checks that a kernel is for the guests of an image.
 *
 * @throws {AppError} KERNEL_PLATFORM_DIFFERS
 */
export function requireSameArch(
  kernel: Pick<StoredKernel, 'name' | 'arch'>,
  image: Pick<StoredImage, 'name' | 'arch'>,
): void {
  if (kernel.arch === image.arch) return;
  const [its, wanted] = [platformOf(kernel.arch), platformOf(image.arch)];
  throw new AppError(
    'KERNEL_PLATFORM_DIFFERS',
    `Cannot boot image "${image.name}" with kernel "${kernel.name}": the kernel is for ${its}, and the image is for ${wanted}`,
    {
      hint: 'leave --kernel-ref out, or choose another: banger kernel list',
      details: { kernel: kernel.name, image: image.name },
    },
  );
}

function announce(message: string, { report }: Task): void {
  report({ event: 'notice', message });
}
