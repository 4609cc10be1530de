import { createHash } from 'node:crypto';
import type { VmShape } from '../../protocol/vm.ts';
import type { StoredKernel } from '../ports/images/kernels.ts';
import type { StoredImage } from '../ports/images/stored-image.ts';
import type { BootSource } from '../ports/vmm/spec.ts';

/** Increased whenever the preparation of a guest before it is saved changes. */
const TEMPLATE_FORMAT = 4;

/** Everything that decides what a boot makes. */
export interface TemplateInputs {
  image: Pick<StoredImage, 'id'>;
  kernel: Pick<StoredKernel, 'name' | 'initrdSha256' | 'origin' | 'createdAt'>;
  boot: Pick<BootSource, 'bootArgs'>;
  shape: VmShape;
  driverName: string;
  /** from the driver's probe */
  savedGuestKey: string;
}

/** Key of the matching template, as 64 hex digits; any difference results in another key. */
export function templateKey({
  image,
  kernel,
  boot,
  shape,
  driverName,
  savedGuestKey,
}: TemplateInputs): string {
  const inputs = [
    TEMPLATE_FORMAT,
    image.id,
    kernel.name,
    kernel.initrdSha256,
    // The name of a user's own kernel may come to mean another one.
    ...(kernel.origin.kind === 'file' ? [kernel.createdAt] : []),
    boot.bootArgs,
    shape.vcpuCount,
    shape.memoryMib,
    shape.diskSizeBytes,
    shape.systemOverlaySizeBytes,
    driverName,
    savedGuestKey,
  ];
  return createHash('sha256').update(JSON.stringify(inputs)).digest('hex');
}
