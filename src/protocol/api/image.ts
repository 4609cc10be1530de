import {
  closedObject,
  count,
  extensibleOneOf,
  list,
  object,
  oneOf,
  optional,
  someText,
  text,
  textLike,
  truth,
} from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { imageConfig } from '../image/image-config.ts';
import { PLATFORMS } from '../image/platform.ts';
import { absolutePath, arch, bytes, flag, time } from './common.ts';

/** Body of `POST /v1/images/NAME/build`. */
export const buildImageRequest = closedObject({
  platform: optional(oneOf(PLATFORMS, "default: this host's, and so far the only one that can be built")),
  force: optional(truth('build the image even if it exists')),
});
export type BuildImageRequest = ValueOf<typeof buildImageRequest>;

/** The platform of what is made. */
export const platform = optional(
  oneOf(PLATFORMS, "default: this host's; guests of another one are emulated"),
);
/** Query of `GET /v1/images`. */
export const listImagesQuery = closedObject({
  all: optional(flag('also images that only banger itself uses')),
});
export type ListImagesQuery = ValueOf<typeof listImagesQuery>;

const newImage = {
  platform,
  kernel: optional(someText('kernel of the store that its VMs boot; default: the newest')),
  force: optional(truth('make it even if it exists, or if its name belongs to another image')),
};

/** Body of `POST /v1/images/pull`. */
export const pullImageRequest = closedObject({
  reference: someText('as container tools write it: `alpine:3.20`'),
  name: optional(someText('default: the full form of the reference')),
  ...newImage,
});
export type PullImageRequest = ValueOf<typeof pullImageRequest>;

/** Files and folders that an image can be imported from. */
export const IMPORT_FORMATS = ['oci', 'oci-archive', 'docker-archive', 'rootfs', 'dir'] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** Body of `POST /v1/images/import`. */
export const importImageRequest = closedObject({
  path: absolutePath,
  format: oneOf(
    IMPORT_FORMATS,
    'a layout folder, an archive of one, what `docker save` writes, a tar of a root file system, a folder of one',
  ),
  name: someText(),
  ...newImage,
});
export type ImportImageRequest = ValueOf<typeof importImageRequest>;

/** Body of `POST /v1/images/register`. */
export const registerImageRequest = closedObject({
  path: absolutePath,
  name: someText(),
  ...newImage,
});
export type RegisterImageRequest = ValueOf<typeof registerImageRequest>;

/** Body of `POST /v1/images/dockerfile`. */
export const buildDockerfileRequest = closedObject({
  dockerfile: absolutePath,
  context: textLike('^/[^\\0]*$', 'absolute path of the folder whose files it copies'),
  name: someText(),
  buildArgs: optional(
    list(closedObject({ name: textLike('^[A-Za-z_][A-Za-z0-9_]*$', 'of an ARG'), value: text() })),
  ),
  target: optional(someText('the last stage to build')),
  secrets: optional(
    list(
      closedObject({
        id: textLike('^[A-Za-z0-9._-]{1,128}$', 'its name in the Dockerfile'),
        path: absolutePath,
      }),
      'files that steps may read; in no layer, on no disk of the guest',
    ),
  ),
  nat: optional(truth('its steps may open connections to the outside; default: false')),
  noCache: optional(truth('run every step again')),
  reuse: optional(
    truth(
      'return the image that has the name already, if it was built of the same content: Dockerfile, files, arguments, images that it begins with',
    ),
  ),
  ...newImage,
});
export type BuildDockerfileRequest = ValueOf<typeof buildDockerfileRequest>;

/** Body of `POST /v1/images/commit`. */
export const commitImageRequest = closedObject({
  vm: someText('name or id of the VM'),
  name: someText('of the image: a plain name, or a reference'),
  force: optional(truth('make it even if another image has its name')),
});
export type CommitImageRequest = ValueOf<typeof commitImageRequest>;

/** Body of `POST /v1/images/prune`. */
export const pruneImagesRequest = closedObject({
  dryRun: optional(truth('only say what would be deleted')),
});
export type PruneImagesRequest = ValueOf<typeof pruneImagesRequest>;

/** Answer of `POST /v1/images/prune`: what was deleted, or would be. */
export const prunedImages = object({
  imageCount: count(),
  blobCount: count('blobs that no image needs'),
  kernelCount: optional(count('kernels that nothing needs')),
  initrdCount: optional(count('initrds of other versions of banger')),
  freedBytes: bytes('bytes that they took on this host'),
});
export type PrunedImages = ValueOf<typeof prunedImages>;

/** Query of `DELETE /v1/images/NAME`. */
export const deleteImageQuery = closedObject({
  force: optional(flag('delete an image that VMs use; they keep its files')),
});

export type DeleteImageQuery = ValueOf<typeof deleteImageQuery>;

/** An image. */
export const image = object({
  name: text('a plain name, or a whole reference'),
  id: text('of its content: `sha256:` and the digest of what its manifest was made from'),
  arch,
  distro: text('empty when it is not known'),
  kernel: text('the one that it brings, or that was chosen for it; empty: VMs boot the newest'),
  sizeBytes: bytes('bytes, as a guest sees it'),
  diskBytes: bytes('bytes that it takes on this host'),
  createdAt: time(),
  usedBy: list(text(), 'names of VMs'),
  origin: optional(
    object({
      kind: extensibleOneOf(['recipe', 'registry', 'archive', 'file', 'packages', 'dockerfile', 'commit']),
      from: text('the recipe, the reference, the set of packages, the VM, or the path on this host'),
    }),
  ),
  managed: optional(truth('`false`: its root file system is a file of the user, which must stay')),
  digest: optional(text('of the manifest that the registry or the archive has')),
  config: optional(imageConfig),
});
export type Image = ValueOf<typeof image>;

/** Answer of `GET /v1/images`. */
export const imageList = object({ images: list(image) });
