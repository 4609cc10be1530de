import type { Abortable } from '../../../base/abort.ts';
import type { BootStores } from '../world.ts';
import type { VmPlan } from './vm-plan.ts';

/**
 * Keeps what a VM boots from as long as the folder `holderDir` exists, its own. Idempotent.
 *
 * @throws {AppError} IMAGE_NOT_FOUND, KERNEL_NOT_FOUND when one of them was removed meanwhile.
 */
export async function holdBoot(
  { images, kernels }: BootStores,
  { image, kernel }: Pick<VmPlan, 'image' | 'kernel'>,
  { holderDir, signal }: Abortable & { holderDir: string },
): Promise<void> {
  await images.hold(image.id, holderDir, { signal });
  // An image that is held keeps the kernel that it brings.
  if (image.kernelName !== kernel.name) await kernels.hold(kernel.name, holderDir, { signal });
}
