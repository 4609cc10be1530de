import { isAppError } from '../../../base/errors.ts';
import type { BootSource } from '../../../core/ports/vmm/spec.ts';
import { bootSourceOf } from '../../../core/vms/plan/boot-source.ts';
import type { Check, DoctorHost } from '../check.ts';
import { installing } from '../installing.ts';

/** The VMM is installed and recent enough. */
export const checkVmm: Check = {
  name: 'vmm',
  async run({ world }, options) {
    const { isUsable, version, reason, packages } = await world.drivers[0].probe(undefined, options);
    if (isUsable) return { status: 'pass', message: version ?? world.drivers[0].name };
    return {
      status: 'fail',
      message: reason ?? 'no VMM was found',
      ...(packages ? installing(packages) : {}),
    };
  },
};

/** Guest code runs on the CPU itself; emulation works but is slow. */
export const checkAccelerator: Check = {
  name: 'accelerator',
  async run(host, options) {
    const boot = await defaultBoot(host, options);
    const { accelerator, reason, hint } = await host.world.drivers[0].probe(boot, options);
    if (accelerator === 'kvm') return { status: 'pass', message: 'VMs run on KVM' };
    if (!accelerator) {
      return { status: 'warn', message: 'unknown until an image is built', fix: 'banger image build' };
    }
    return {
      status: 'warn',
      message: `${reason ?? 'KVM is not usable here'}; VMs are emulated, about 10 times slower`,
      fix: hint ?? 'use a host with KVM, or enable virtualization in its firmware',
    };
  },
};

/** The default image's kernel, when there is one. */
async function defaultBoot(
  { world }: DoctorHost,
  options: { signal: AbortSignal },
): Promise<BootSource | undefined> {
  try {
    const image = await world.images.get(world.defaultImage);
    if (image.kernelName === undefined) return undefined;
    const kernel = await world.kernels.get(image.kernelName, options);
    return bootSourceOf(kernel, world.defaults.systemOverlaySizeBytes);
  } catch (error) {
    if (!isAppError(error)) throw error;
    return undefined;
  }
}
