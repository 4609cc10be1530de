import type { Abortable } from '../../../base/abort.ts';

/** What was removed from a blob store, or would be. */
export interface RemovedBlobs {
  count: number;
  /** `bytes` on disk */
  bytes: number;
}

/**
 * Content by its digest, as registries have it: manifests, configurations, layers. Images share blobs. A blob
 * is needed by the images that were made of it, and then only to make others of it without a download.
 */
export interface BlobStore {
  /** folder with `blobs/sha256/<hex>`, as in an OCI image layout; sources write to it */
  readonly dir: string;
  /** Bytes on disk of every whole blob, by digest (`sha256:...`). */
  list(): Promise<ReadonlyMap<string, number>>;
  /**
   * Removes every other blob, and what interrupted downloads left, unless it was written within the last
   * `keepForMs` (default: 0). No source may be at work. With `isDryRun`, it only counts.
   */
  retainOnly(
    digests: ReadonlySet<string>,
    options: Abortable & { isDryRun: boolean; keepForMs?: number },
  ): Promise<RemovedBlobs>;
}
