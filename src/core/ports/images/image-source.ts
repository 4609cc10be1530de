import type { ImportFormat } from '../../../protocol/api/image.ts';
import type { Task } from '../../../protocol/events.ts';
import type { ImageConfig } from '../../../protocol/image/image-config.ts';
import type { GuestArch } from './guest-arch.ts';
import type { UnpackedKernel } from './kernels.ts';

/** Where the content of an image comes from. Paths are absolute. */
export type ImageOrigin =
  | { kind: 'recipe'; recipe: string }
  /** `reference` in full form */
  | { kind: 'registry'; reference: string }
  | { kind: 'archive'; format: ImportFormat; path: string }
  /** Debian packages of the set, unpacked without running their scripts */
  | { kind: 'packages'; set: string }
  | { kind: 'dockerfile'; dockerfile: string; context: string }
  /** an ext4 file system that stays the user's own file */
  | { kind: 'file'; path: string };

/** The root file system as a folder, with the kernel that it brings. */
export interface TreeContent {
  kind: 'tree';
  /** its owners are those that root of a user namespace sees */
  treeDir: string;
  distro: string;
  kernel: UnpackedKernel;
}

/** Layers in the blob store. */
export interface LayersContent {
  kind: 'layers';
  /** `sha256:...` of the image's manifest, which is in the blob store too */
  manifestDigest: string;
  config: ImageConfig;
  /** digests of all blobs that the image consists of */
  blobs: readonly string[];
}

/** A root file system that needs no building. */
export interface FileContent {
  kind: 'file';
  path: string;
}

/** The content of an image, before it is a root file system. */
export type ImageContent = TreeContent | LayersContent | FileContent;

/** A source of images: of one kind of origin. */
export interface ImageSource<Origin extends ImageOrigin, Content extends ImageContent> {
  /**
   * Brings the content of an image for guests of `arch` to this host: into the blob store, or into `workDir`,
   * an empty folder that the caller removes when the root file system is made. Checks first that it can work
   * here. A failure or an abort leaves no process, and nothing outside of `workDir` but whole blobs.
   *
   * @throws {AppError} what is missing on this host, with the fix; what is wrong with the origin.
   */
  fetch(origin: Origin, options: Task & { workDir: string; name: string; arch: GuestArch }): Promise<Content>;
}

/** One source for each kind of origin; what a Dockerfile makes comes as an archive. */
export interface ImageSources {
  recipe: ImageSource<Extract<ImageOrigin, { kind: 'recipe' }>, TreeContent>;
  registry: ImageSource<Extract<ImageOrigin, { kind: 'registry' }>, LayersContent>;
  archive: ImageSource<Extract<ImageOrigin, { kind: 'archive' }>, LayersContent>;
  file: ImageSource<Extract<ImageOrigin, { kind: 'file' }>, FileContent>;
  packages: ImageSource<Extract<ImageOrigin, { kind: 'packages' }>, LayersContent>;
}
