import type { KernelSource } from '../../src/core/ports/images/kernels.ts';

const refuse = (): Promise<never> => Promise.reject(new Error('tests fetch no kernel'));

/** A source without kernels, for tests that use those of the store. */
export const NO_KERNELS: KernelSource = { withKernel: refuse, available: refuse };
