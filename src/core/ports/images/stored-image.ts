import type { ImageConfig } from '../../../protocol/image/image-config.ts';
import type { GuestArch } from './guest-arch.ts';
import type { ImageOrigin } from './image-origin.ts';

/** Where an image of the store came from. */
export interface ImageProvenance {
  origin: ImageOrigin;
  /** `sha256:...` of the manifest that a registry or an archive has; absent for other origins */
  manifestDigest?: string;
  /** digests of the blobs that it was made of */
  blobs: readonly string[];
}

/** An image of the store; its files are never written again. */
export interface StoredImage {
  /**
   * a name without `/` and `:`, or a whole reference (`docker.io/library/alpine:3.20`); with the architecture
   * when that is not this host's (`imageNameFor`)
   */
  name: string;
  /** `sha256:...` of what the image consists of; each rebuild of a name has a new one */
  id: string;
  arch: GuestArch;
  /** absent when it is not known */
  distro?: string;
  /**
   * in the kernel store; absent: the image brings no kernel, and VMs boot the default one of its architecture
   */
  kernelName?: string;
  /** what the image says about its programs; empty for one that says nothing */
  config: ImageConfig;
  provenance: ImageProvenance;
  /** the file is the user's own, outside of the store */
  isUnmanaged: boolean;
  rootfsPath: string;
  sizeBytes: number;
  diskBytes: number;
  createdAt: string;
}
