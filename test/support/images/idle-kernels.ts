import type { KernelPublisher } from '../../../src/core/ports/images/kernels.ts';

/** A kernel store without kernels, for image stores whose kernels do not matter. */
export const IDLE_KERNELS: KernelPublisher = {
  publish: async () => {},
  retainOnly: async () => ({ kernelCount: 0, initrdCount: 0, bytes: 0 }),
  diskUsage: async () => ({ kernels: { count: 0, bytes: 0 }, initrds: { count: 0, bytes: 0 } }),
};
