import type { ExportedImage, PushedImage } from '../../../protocol/api/image-outlet.ts';
import type { Task } from '../../../protocol/events.ts';
import type { StoredImage } from './stored-image.ts';

/** What bringing an image out of the store needs. */
export interface OutletOptions extends Task {
  /** an empty folder, which the caller removes */
  workDir: string;
}

/**
 * Brings images to where container tools find them. An image without layers, such as a built one, becomes one
 * of a single layer. The image's files and blobs must stay meanwhile (`ImageStore.withContent`).
 */
export interface ImageOutlet {
  /**
   * Writes the image to the file `path` as an archive that has the name `reference`. Replaces a file that is
   * there, once the archive is whole; a failure or an abort leaves that file.
   *
   * @throws {AppError} IMAGE_FILE_UNWRITABLE, IMAGE_DAMAGED, HOST_NO_SPACE.
   */
  export(
    image: StoredImage,
    options: OutletOptions & { path: string; reference?: string },
  ): Promise<ExportedImage>;
  /**
   * Sends the image to a registry under `reference`, with the user's credentials: only the layers that the
   * registry lacks. After a failure or an abort the registry has no image under the reference, or the earlier
   * one. `mountFrom` are references to images that may share layers with it.
   *
   * @throws {AppError} REGISTRY_*, IMAGE_REFERENCE_INVALID, IMAGE_DAMAGED.
   */
  push(
    image: StoredImage,
    options: OutletOptions & { reference: string; mountFrom: readonly string[] },
  ): Promise<PushedImage>;
}
