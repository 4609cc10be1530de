import type { Abortable } from '../../base/abort.ts';
import {
  type BuildDockerfileRequest,
  type BuildImageRequest,
  type CommitImageRequest,
  type DeleteImageQuery,
  type Image,
  type ImportImageRequest,
  image,
  imageList,
  type ListImagesQuery,
  type PrunedImages,
  type PruneImagesRequest,
  type PullImageRequest,
  prunedImages,
  type RegisterImageRequest,
} from '../../protocol/api/image.ts';
import {
  type ExportedImage,
  type ExportImageRequest,
  exportedImage,
  type PushedImage,
  type PushImageRequest,
  pushedImage,
} from '../../protocol/api/image-outlet.ts';
import {
  type ImageDiskUsage,
  imageDiskUsage,
  type PruneCacheRequest,
  type PrunedCache,
  prunedCache,
} from '../../protocol/api/image-space.ts';
import { flag, imagePath, withQuery } from '../paths.ts';
import type { Work } from '../work.ts';
import type { Caller } from './caller.ts';

/** Images. */
export interface ImageCalls {
  listImages(options: Abortable & { isAll?: boolean }): Promise<Image[]>;
  showImage(name: string, options: Abortable): Promise<Image>;
  buildImage(name: string, request: BuildImageRequest, options: Abortable): Work<Image>;
  buildDockerfile(request: BuildDockerfileRequest, options: Abortable): Work<Image>;
  pullImage(request: PullImageRequest, options: Abortable): Work<Image>;
  importImage(request: ImportImageRequest, options: Abortable): Work<Image>;
  registerImage(request: RegisterImageRequest, options: Abortable): Work<Image>;
  commitImage(request: CommitImageRequest, options: Abortable): Work<Image>;
  exportImage(name: string, request: ExportImageRequest, options: Abortable): Work<ExportedImage>;
  pushImage(name: string, request: PushImageRequest, options: Abortable): Work<PushedImage>;
  promoteImage(name: string, options: Abortable): Work<Image>;
  deleteImage(name: string, options: Abortable & { isForced?: boolean }): Promise<void>;
  pruneImages(request: PruneImagesRequest, options: Abortable): Promise<PrunedImages>;
  pruneImageCache(request: PruneCacheRequest, options: Abortable): Promise<PrunedCache>;
  imageDiskUsage(options: Abortable): Promise<ImageDiskUsage>;
}

/** {@link ImageCalls} over one transport. */
export function imageCalls(caller: Caller): ImageCalls {
  return {
    listImages: async ({ isAll, signal }) => {
      const path = withQuery<ListImagesQuery>('/images', { all: flag(isAll) });
      return (await caller.get(path, imageList, { signal })).images;
    },
    showImage: async (name, options) => await caller.get(imagePath(name), image, options),
    buildImage: (name, body, { signal }) => caller.work(imagePath(name, 'build'), image, { body, signal }),
    buildDockerfile: (body, { signal }) => caller.work('/images/dockerfile', image, { body, signal }),
    pullImage: (body, { signal }) => caller.work('/images/pull', image, { body, signal }),
    importImage: (body, { signal }) => caller.work('/images/import', image, { body, signal }),
    registerImage: (body, { signal }) => caller.work('/images/register', image, { body, signal }),
    commitImage: (body, { signal }) => caller.work('/images/commit', image, { body, signal }),
    exportImage: (name, body, { signal }) =>
      caller.work(imagePath(name, 'export'), exportedImage, { body, signal }),
    pushImage: (name, body, { signal }) =>
      caller.work(imagePath(name, 'push'), pushedImage, { body, signal }),
    promoteImage: (name, { signal }) => caller.work(imagePath(name, 'promote'), image, { signal }),
    deleteImage: async (name, { isForced, signal }) =>
      await caller.settle('DELETE', withQuery<DeleteImageQuery>(imagePath(name), { force: flag(isForced) }), {
        signal,
      }),
    pruneImages: async (body, { signal }) =>
      await caller.post('/images/prune', prunedImages, { body, signal }),
    pruneImageCache: async (body, { signal }) =>
      await caller.post('/image-cache/prune', prunedCache, { body, signal }),
    imageDiskUsage: async (options) => await caller.get('/image-space', imageDiskUsage, options),
  };
}
