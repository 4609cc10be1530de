import type { Abortable } from '../../base/abort.ts';
import {
  type BuildImageRequest,
  type Image,
  image,
  imageList,
  type Kernel,
  kernelList,
} from '../../protocol/api/image.ts';
import { imagePath } from '../paths.ts';
import type { Work } from '../work.ts';
import type { Caller } from './caller.ts';

/** Images and kernels. */
export interface ImageCalls {
  listImages(options: Abortable): Promise<Image[]>;
  showImage(name: string, options: Abortable): Promise<Image>;
  buildImage(name: string, request: BuildImageRequest, options: Abortable): Work<Image>;
  deleteImage(name: string, options: Abortable): Promise<void>;
  listKernels(options: Abortable): Promise<Kernel[]>;
}

/** {@link ImageCalls} over one transport. */
export function imageCalls(caller: Caller): ImageCalls {
  return {
    listImages: async (options) => (await caller.get('/images', imageList, options)).images,
    showImage: async (name, options) => await caller.get(imagePath(name), image, options),
    buildImage: (name, body, { signal }) => caller.work(imagePath(name, 'build'), image, { body, signal }),
    deleteImage: async (name, options) => await caller.settle('DELETE', imagePath(name), options),
    listKernels: async (options) => (await caller.get('/kernels', kernelList, options)).kernels,
  };
}
