import { createHash } from 'node:crypto';
import type { VmShape } from '../../protocol/vm.ts';
import type { StoredImage, StoredKernel } from '../ports/images.ts';
import type { BootSource } from '../ports/vmm/spec.ts';

/** Counted up when what is done to a guest before it is saved changes. */
const TEMPLATE_FORMAT = 2;

/** All that decides whether a saved guest is the one that a boot would make. */
export interface TemplateInputs {
  image: Pick<StoredImage, 'id'>;
  kernel: Pick<StoredKernel, 'name' | 'initrdSha256'>;
  boot: Pick<BootSource, 'bootArgs'>;
  shape: VmShape;
  driverName: string;
  /** of the driver's probe */
  savedGuestKey: string;
}

/** Name of the template that fits, as 64 hex digits; anything that differs gives another. */
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
