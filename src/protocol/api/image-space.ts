import { closedObject, count, list, object, optional, text, truth } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { bytes } from './common.ts';

/** What one image takes on disk. */
const imageUsage = object({
  name: text(),
  uniqueBytes: bytes('bytes that only this image needs: they go with it'),
  sharedBytes: bytes('bytes that other images, or VMs whose image has no other name, need too'),
});

/** Answer of `GET /v1/image-space`: bytes on disk, without the holes of files. */
export const imageDiskUsage = object({
  images: list(imageUsage, 'by name'),
  unnamed: object({
    count: count('images that have lost their name, and that VMs still use or nobody has pruned'),
    bytes: bytes(),
  }),
  blobs: object({
    count: count('layers, configurations and manifests'),
    bytes: bytes(),
  }),
  kernels: optional(object({ count: count(), bytes: bytes('bytes of kernels with their modules') })),
  initrds: optional(
    object({
      count: count('what a guest starts from: one for each kernel, and those of other versions of banger'),
      bytes: bytes(),
    }),
  ),
  reclaimableBytes: bytes('bytes that `image prune` would free'),
  totalBytes: bytes('bytes of all of these together'),
});
export type ImageDiskUsage = ValueOf<typeof imageDiskUsage>;

/** Body of `POST /v1/image-cache/prune`. */
export const pruneCacheRequest = closedObject({
  dryRun: optional(truth('only say what would be deleted')),
});
export type PruneCacheRequest = ValueOf<typeof pruneCacheRequest>;

/** Answer of `POST /v1/image-cache/prune`: what was deleted, or would be. */
export const prunedCache = object({
  blobCount: count(),
  initrdCount: optional(count('initrds of other versions of banger')),
  freedBytes: bytes('bytes on disk'),
});
export type PrunedCache = ValueOf<typeof prunedCache>;
