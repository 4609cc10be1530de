import type { Abortable } from '../../base/abort.ts';
import {
  type BuildDockerfileRequest,
  type BuildImageRequest,
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
  deleteImage(name: string, options: Abortable & { isForced?: boolean }): Promise<void>;
  pruneImages(request: PruneImagesRequest, options: Abortable): Promise<PrunedImages>;
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
    buildDockerfile: (body, { signal }) => caller.work('/images/build', image, { body, signal }),
    pullImage: (body, { signal }) => caller.work('/images/pull', image, { body, signal }),
    importImage: (body, { signal }) => caller.work('/images/import', image, { body, signal }),
    registerImage: (body, { signal }) => caller.work('/images/register', image, { body, signal }),
    deleteImage: async (name, { isForced, signal }) =>
      await caller.settle('DELETE', withQuery<DeleteImageQuery>(imagePath(name), { force: flag(isForced) }), {
        signal,
      }),
    pruneImages: async (body, { signal }) =>
      await caller.post('/images/prune', prunedImages, { body, signal }),
  };
}
