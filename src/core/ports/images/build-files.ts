import type { Readable } from 'node:stream';
import type { Abortable } from '../../../base/abort.ts';
import type { StoredImage } from './stored-image.ts';

/** What a build reads of this host. Paths are absolute. */
export interface ContextPlaces {
  dockerfile: string;
  /** folder whose files the Dockerfile copies */
  context: string;
}

/** The files of a build that go into the guest. */
export interface BuildContext {
  /** text of the Dockerfile */
  dockerfile: string;
  /** files, folders and symlinks */
  entryCount: number;
  /** `bytes` of the files, as they were counted */
  sizeBytes: number;
  /**
   * Reads the files that {@link tar} packs. Returns a digest of their names, modes, links and content,
   * whatever their times are: `sha256:` and 64 hex digits.
   */
  digest(options: Abortable): Promise<string>;
  /**
   * Packs the files, without those that `.dockerignore` names. Symlinks stay as they are, and everything
   * belongs to root. The stream fails when a file cannot be read or the limits are exceeded meanwhile.
   */
  tar(options: Abortable): Readable;
}

/** An archive that a build has made; disposing removes it. */
export interface KeptArchive extends AsyncDisposable {
  path: string;
}

/** What building a Dockerfile reads and writes on this host. */
export interface BuildFiles {
  /**
   * Reads the Dockerfile and lists the files of its context.
   *
   * @throws {AppError} IMAGE_CONTEXT_INVALID when one of them is missing or cannot be read;
   * IMAGE_CONTEXT_TOO_LARGE.
   */
  openContext(places: ContextPlaces, options: Abortable): Promise<BuildContext>;
  /**
   * The content of a file with a secret.
   *
   * @throws {AppError} IMAGE_SECRET_INVALID when it is missing, unreadable or too large.
   */
  readSecret(path: string): Promise<Buffer>;
  /**
   * Packs an image of layers as a tar of an OCI image layout.
   *
   * @throws {AppError} IMAGE_DAMAGED when a blob of it is missing.
   */
  packLayout(image: StoredImage, options: Abortable): Promise<Readable>;
  /**
   * Writes a stream of the guest to a file, and consumes it.
   *
   * @throws {AppError} IMAGE_TOO_LARGE after `maxBytes`; HOST_NO_SPACE.
   */
  keepArchive(tar: Readable, options: Abortable & { maxBytes: number }): Promise<KeptArchive>;
}
