import { closedObject, list, object, optional, text, truth } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { arch, bytes, time } from './common.ts';

/** Body of `POST /v1/images/NAME/build`. */
export const buildImageRequest = closedObject({
  force: optional(truth('build the image even if it exists')),
});
export type BuildImageRequest = ValueOf<typeof buildImageRequest>;

/** An image. */
export const image = object({
  name: text(),
  id: text('of its content: `sha256:` and the digest of what its manifest was made from'),
  arch,
  distro: text(),
  kernel: text(),
  sizeBytes: bytes('bytes, as a guest sees it'),
  diskBytes: bytes('bytes that it takes on this host'),
  createdAt: time(),
  usedBy: list(text(), 'names of VMs'),
});
export type Image = ValueOf<typeof image>;

/** Answer of `GET /v1/images`. */
export const imageList = object({ images: list(image) });

/** A kernel. */
export const kernel = object({ name: text(), release: text(), arch, diskBytes: bytes(), createdAt: time() });
export type Kernel = ValueOf<typeof kernel>;

/** Answer of `GET /v1/kernels`. */
export const kernelList = object({ kernels: list(kernel) });
