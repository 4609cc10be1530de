import {
  availableKernels,
  deleteKernel,
  importKernel,
  kernelUsers,
  pullKernel,
} from '../../core/kernels/kernels.ts';
import type { KernelEntry } from '../../core/ports/images/kernels.ts';
import { done } from '../../protocol/api/common.ts';
import * as schemas from '../../protocol/api/kernel.ts';
import { jsonRoute, type Route, workRoute } from '../http/route.ts';

/** The API of kernels. */
export const KERNEL_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/kernels',
    summary: 'All kernels',
    answer: schemas.kernelList,
    run: async ({ app }) => ({ kernels: (await app.world.kernels.list()).map(kernelView) }),
  }),
  workRoute({
    method: 'POST',
    path: '/kernels/available',
    summary: 'The kernels that the distribution has; asks its archive, and hanging up cancels that',
    answer: schemas.kernelCatalog,
    run: async ({ app: { world }, signal, report }) => ({
      value: { kernels: await availableKernels(world, { signal, report }) },
    }),
  }),
  jsonRoute({
    method: 'GET',
    path: '/kernels/:name',
    summary: 'One kernel',
    answer: schemas.shownKernel,
    run: async ({ app: { world }, params, signal }) => {
      const kernel = await world.kernels.get(params['name'] ?? '', { signal });
      return {
        ...kernelView(kernel),
        kernelFile: kernel.kernelPath,
        ...(kernel.vmlinuxPath === undefined ? {} : { vmlinuxFile: kernel.vmlinuxPath }),
        modulesFile: kernel.modulesPath,
        ...(await kernelUsers(world, kernel.name)),
      };
    },
  }),
  workRoute({
    method: 'POST',
    path: '/kernels/pull',
    summary: 'Fetch the newest kernel of the distribution; hanging up cancels it',
    body: schemas.pullKernelRequest,
    answer: schemas.kernel,
    run: async ({ app: { world }, body, signal, report }) => ({
      value: kernelView(await pullKernel(world, body, { signal, report })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/kernels/import',
    summary: 'Make a kernel of files of this host; hanging up cancels it',
    body: schemas.importKernelRequest,
    answer: schemas.kernel,
    run: async ({ app: { world }, body, signal, report }) => ({
      value: kernelView(await importKernel(world, body, { signal, report })),
    }),
  }),
  jsonRoute({
    method: 'DELETE',
    path: '/kernels/:name',
    summary: 'Delete a kernel that no image and no VM boots',
    answer: done,
    run: async ({ app, params, signal }) => {
      await deleteKernel(app.world, params['name'] ?? '', { signal });
      return {};
    },
  }),
];

function kernelView({
  name,
  release,
  arch,
  diskBytes,
  createdAt,
  origin,
  isKept,
}: KernelEntry): schemas.Kernel {
  const from = origin.kind === 'file' ? { from: origin.path } : {};
  return {
    name,
    release,
    arch,
    diskBytes,
    createdAt,
    origin: { kind: origin.kind, ...from },
    kept: isKept,
  };
}
