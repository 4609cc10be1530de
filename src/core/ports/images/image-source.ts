import type { Task } from '../../../protocol/events.ts';
import type { ImageConfig } from '../../../protocol/image/image-config.ts';
import type { GuestArch } from './guest-arch.ts';
import type { ImageOrigin } from './image-origin.ts';
import type { UnpackedKernel } from './kernels.ts';
import type { StoredImage } from './stored-image.ts';

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

/** The root of a VM, which is to become an image. */
export interface VmRoot {
  /** the image that the VM was made from */
  base: StoredImage;
  /** files of the guest that the host wrote there */
  hostFiles: readonly string[];
  /** Writes the VM's overlay drive to the new file `target`, as raw bytes. */
  readOverlay(target: string, options: Task): Promise<void>;
}

/** Makes layers of the roots of VMs. */
export interface VmRootSource {
  /**
   * Brings the root of a VM into the blob store: as one layer on top of those of its image, or as one layer
   * with everything, when the image has none. Leaves out what belongs to that VM alone, and says in notices
   * what that is. As {@link ImageSource.fetch}.
   *
   * @throws {AppError} IMAGE_DAMAGED for a file system that cannot be read; IMAGE_TOO_LARGE, HOST_NO_SPACE.
   */
  fetch(root: VmRoot, options: Task & { workDir: string }): Promise<LayersContent>;
}

/** One source for each kind of origin; what a Dockerfile makes comes as an archive. */
export interface ImageSources {
  recipe: ImageSource<Extract<ImageOrigin, { kind: 'recipe' }>, TreeContent>;
  registry: ImageSource<Extract<ImageOrigin, { kind: 'registry' }>, LayersContent>;
  archive: ImageSource<Extract<ImageOrigin, { kind: 'archive' }>, LayersContent>;
  commit: VmRootSource;
  file: ImageSource<Extract<ImageOrigin, { kind: 'file' }>, FileContent>;
  packages: ImageSource<Extract<ImageOrigin, { kind: 'packages' }>, LayersContent>;
}
