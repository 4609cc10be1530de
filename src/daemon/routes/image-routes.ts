import { addImage, buildImage, pullImage } from '../../core/images/add-image.ts';
import { exportImage, pushImage } from '../../core/images/bring-out.ts';
import { commitImage } from '../../core/images/commit-image.ts';
import { deleteImage } from '../../core/images/delete-image.ts';
import { buildDockerfile } from '../../core/images/dockerfile/build-dockerfile.ts';
import { isHiddenImage } from '../../core/images/dockerfile/builder-image.ts';
import { promoteImage } from '../../core/images/promote-image.ts';
import type { ImageOrigin } from '../../core/ports/images/image-origin.ts';
import type { StoredImage } from '../../core/ports/images/stored-image.ts';
import type { Vms } from '../../core/vms/world.ts';
import { done } from '../../protocol/api/common.ts';
import * as schemas from '../../protocol/api/image.ts';
import * as outlets from '../../protocol/api/image-outlet.ts';
import * as space from '../../protocol/api/image-space.ts';
import { jsonRoute, type Route, workRoute } from '../http/route.ts';

/** The API of images. */
export const IMAGE_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/images',
    summary: 'All images',
    query: schemas.listImagesQuery,
    answer: schemas.imageList,
    run: async ({ app: { world }, query }) => {
      const images = await world.images.list();
      const shown = images.filter((image) => query.all === '1' || !isHiddenImage(image));
      return { images: shown.map((image) => imageView(world, image)) };
    },
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
    run: async ({ app: { world }, params, body, signal, report }) => ({
      value: imageView(world, await buildImage(world, params['name'] ?? '', { ...body, signal, report })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/images/dockerfile',
    summary: 'Build a Dockerfile in a VM, and make an image of it; hanging up cancels it',
    body: schemas.buildDockerfileRequest,
    answer: schemas.image,
    run: async ({ app: { world }, body, signal, report }) => ({
      value: imageView(world, await buildDockerfile(world, body, { signal, report })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/images/pull',
    summary: 'Make an image of what a registry has now under a reference; hanging up cancels it',
    body: schemas.pullImageRequest,
    answer: schemas.image,
    run: async ({ app: { world }, body, signal, report }) => ({
      value: imageView(world, await pullImage(world, body, { signal, report })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/images/import',
    summary: 'Make an image of a file or folder of this host; hanging up cancels it',
    body: schemas.importImageRequest,
    answer: schemas.image,
    run: async ({ app: { world }, body: { path, format, ...choice }, signal, report }) => {
      const origin = { kind: 'archive', format, path } as const;
      return { value: imageView(world, await addImage(world, { ...choice, origin }, { signal, report })) };
    },
  }),
  workRoute({
    method: 'POST',
    path: '/images/register',
    summary: 'Use an ext4 file of the user as an image; hanging up cancels it',
    body: schemas.registerImageRequest,
    answer: schemas.image,
    run: async ({ app: { world }, body: { path, ...choice }, signal, report }) => {
      const origin = { kind: 'file', path } as const;
      return { value: imageView(world, await addImage(world, { ...choice, origin }, { signal, report })) };
    },
  }),
  workRoute({
    method: 'POST',
    path: '/images/commit',
    summary: "Make an image of a VM's root; hanging up cancels it",
    body: schemas.commitImageRequest,
    answer: schemas.image,
    run: async ({ app: { world }, body, signal, report }) => ({
      value: imageView(world, await commitImage(world, body, { signal, report })),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/images/:name/export',
    summary: 'Write an image to an archive on this host; hanging up cancels it',
    body: outlets.exportImageRequest,
    answer: outlets.exportedImage,
    run: async ({ app: { world }, params, body: { path }, signal, report }) => ({
      value: await exportImage(world, params['name'] ?? '', { path, signal, report }),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/images/:name/push',
    summary: 'Send an image to a registry: the layers that it lacks; hanging up cancels it',
    body: outlets.pushImageRequest,
    answer: outlets.pushedImage,
    run: async ({ app: { world }, params, body: { reference }, signal, report }) => ({
      value: await pushImage(world, params['name'] ?? '', { reference, signal, report }),
    }),
  }),
  workRoute({
    method: 'POST',
    path: '/images/:name/promote',
    summary: 'Copy the file of a registered image into the store; hanging up cancels it',
    answer: schemas.image,
    run: async ({ app: { world }, params, signal, report }) => ({
      value: imageView(world, await promoteImage(world, params['name'] ?? '', { signal, report })),
    }),
  }),
  jsonRoute({
    method: 'GET',
    path: '/image-space',
    summary: 'What images take on disk',
    answer: space.imageDiskUsage,
    run: async ({ app, signal }) => await app.world.images.diskUsage({ signal }),
  }),
  jsonRoute({
    method: 'POST',
    path: '/image-cache/prune',
    summary: 'Delete blobs that no image needs, and initrds of other versions',
    body: space.pruneCacheRequest,
    answer: space.prunedCache,
    run: async ({ app, body, signal }) => {
      const options = { signal, isDryRun: body.dryRun ?? false, isOnlyCaches: true };
      const { blobCount, initrdCount, freedBytes } = await app.world.images.prune(options);
      return { blobCount, initrdCount, freedBytes };
    },
  }),
  jsonRoute({
    method: 'POST',
    path: '/images/prune',
    summary: 'Delete what no image and no VM needs: images without a name, kernels, initrds, blobs',
    body: schemas.pruneImagesRequest,
    answer: schemas.prunedImages,
    run: async ({ app, body, signal }) =>
      await app.world.images.prune({ signal, isDryRun: body.dryRun ?? false }),
  }),
  jsonRoute({
    method: 'DELETE',
    path: '/images/:name',
    summary: 'Delete an image that no VM uses; with `force`, VMs keep its files',
    query: schemas.deleteImageQuery,
    answer: done,
    run: async ({ app, params, query, signal }) => {
      await deleteImage(app.world, params['name'] ?? '', { force: query.force !== undefined, signal });
      return {};
    },
  }),
];

function imageView(world: Pick<Vms, 'records'>, image: StoredImage): schemas.Image {
  const { name, id, arch, distro, kernelName, config, provenance, isUnmanaged } = image;
  const { sizeBytes, diskBytes, createdAt } = image;
  const { origin, manifestDigest } = provenance;
  const users = world.records.list().filter((record) => record.imageId === id);
  return {
    name,
    id,
    arch,
    distro: distro ?? '',
    kernel: kernelName ?? '',
    sizeBytes,
    diskBytes,
    createdAt,
    usedBy: users.map((record) => record.name),
    origin: { kind: origin.kind, from: fromOf(origin) },
    managed: !isUnmanaged,
    ...(manifestDigest === undefined ? {} : { digest: manifestDigest }),
    ...(Object.keys(config).length > 0 ? { config } : {}),
  };
}

function fromOf(origin: ImageOrigin): string {
  switch (origin.kind) {
    case 'recipe':
      return origin.recipe;
    case 'registry':
      return origin.reference;
    case 'commit':
      return origin.vm;
    case 'archive':
    case 'file':
      return origin.path;
    case 'packages':
      return origin.set;
    case 'dockerfile':
      return origin.dockerfile;
    default:
      return origin satisfies never;
  }
}
