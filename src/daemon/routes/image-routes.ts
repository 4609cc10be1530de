import type { StoredImage } from '../../core/ports/images.ts';
import type { Vms } from '../../core/vms/world.ts';
import { done } from '../../protocol/api/common.ts';
import * as schemas from '../../protocol/api/image.ts';
import { jsonRoute, type Route, workRoute } from '../http/route.ts';

/** The API of images and kernels. */
export const IMAGE_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/images',
    summary: 'All images',
    answer: schemas.imageList,
    run: async ({ app }) => ({
      images: (await app.world.images.list()).map((image) => imageView(app.world, image)),
    }),
  }),
  jsonRoute({
    method: 'GET',
    path: '/images/:name',
    summary: 'One image',
    answer: schemas.image,
    run: async ({ app, params }) => imageView(app.world, await app.world.images.get(params['name'] ?? '')),
  }),
  workRoute({
    method: 'POST',
    path: '/images/:name/build',
    summary: 'Build an image if it does not exist; hanging up cancels it',
    body: schemas.buildImageRequest,
    answer: schemas.image,
    run: async ({ app, params, body, signal, report }) => {
      const options = { force: body.force ?? false, signal, report };
      return { value: imageView(app.world, await app.world.images.build(params['name'] ?? '', options)) };
    },
  }),
  jsonRoute({
    method: 'DELETE',
    path: '/images/:name',
    summary: 'Delete an image; VMs that were made from it keep its files',
    answer: done,
    run: async ({ app, params, signal }) => {
      await app.world.images.delete(params['name'] ?? '', { signal });
      return {};
    },
  }),
  jsonRoute({
    method: 'GET',
    path: '/kernels',
    summary: 'All kernels',
    answer: schemas.kernelList,
    run: async ({ app }) => ({
      kernels: (await app.world.kernels.list()).map(({ name, release, arch, diskBytes, createdAt }) => ({
        name,
        release,
        arch,
        diskBytes,
        createdAt,
      })),
    }),
  }),
];

function imageView(world: Pick<Vms, 'records'>, image: StoredImage): schemas.Image {
  const { name, id, arch, distro, kernelName, sizeBytes, diskBytes, createdAt } = image;
  const users = world.records.list().filter((record) => record.imageId === id);
  return {
    name,
    id,
    arch,
    distro,
    kernel: kernelName,
    sizeBytes,
    diskBytes,
    createdAt,
    usedBy: users.map((record) => record.name),
  };
}
