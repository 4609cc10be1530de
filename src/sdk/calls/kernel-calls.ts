import type { Abortable } from '../../base/abort.ts';
import {
  type ImportKernelRequest,
  type Kernel,
  type KernelCatalog,
  kernel,
  kernelCatalog,
  kernelList,
  type PullKernelRequest,
  type ShownKernel,
  shownKernel,
} from '../../protocol/api/kernel.ts';
import { kernelPath } from '../paths.ts';
import type { Work } from '../work.ts';
import type { Caller } from './caller.ts';

/** Kernels. */
export interface KernelCalls {
  listKernels(options: Abortable): Promise<Kernel[]>;
  /** What the distribution has; asks its archive. */
  listAvailableKernels(options: Abortable): Work<KernelCatalog>;
  showKernel(name: string, options: Abortable): Promise<ShownKernel>;
  pullKernel(request: PullKernelRequest, options: Abortable): Work<Kernel>;
  importKernel(request: ImportKernelRequest, options: Abortable): Work<Kernel>;
  deleteKernel(name: string, options: Abortable): Promise<void>;
}

/** {@link KernelCalls} over one transport. */
export function kernelCalls(caller: Caller): KernelCalls {
  return {
    listKernels: async (options) => (await caller.get('/kernels', kernelList, options)).kernels,
    listAvailableKernels: ({ signal }) => caller.work('/kernels/available', kernelCatalog, { signal }),
    showKernel: async (name, options) => await caller.get(kernelPath(name), shownKernel, options),
    pullKernel: (body, { signal }) => caller.work('/kernels/pull', kernel, { body, signal }),
    importKernel: (body, { signal }) => caller.work('/kernels/import', kernel, { body, signal }),
    deleteKernel: async (name, { signal }) => await caller.settle('DELETE', kernelPath(name), { signal }),
  };
}
