import type { Image, Kernel } from '../../protocol/api/image.ts';
import { type GuardOf, isNumber, isText, listOf, shapeOf } from '../guards.ts';

/** An image. */
export const isImage: GuardOf<Image> = shapeOf<Image>({
  name: isText,
  id: isText,
  arch: isText,
  distro: isText,
  kernel: isText,
  sizeBytes: isNumber,
  diskBytes: isNumber,
  createdAt: isText,
  usedBy: listOf(isText),
});

/** Answer of `GET /v1/images`. */
export const isImageList: GuardOf<{ images: Image[] }> = shapeOf<{ images: Image[] }>({
  images: listOf(isImage),
});

/** Answer of `GET /v1/kernels`. */
export const isKernelList: GuardOf<{ kernels: Kernel[] }> = shapeOf<{ kernels: Kernel[] }>({
  kernels: listOf(
    shapeOf<Kernel>({
      name: isText,
      release: isText,
      arch: isText,
      diskBytes: isNumber,
      createdAt: isText,
    }),
  ),
});
