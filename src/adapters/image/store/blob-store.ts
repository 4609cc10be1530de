import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import { readdirIfThere } from '../../../base/files/if-there.ts';
import type { BlobStore, RemovedBlobs } from '../../../core/ports/images/blob-store.ts';

const HEX = /^[0-9a-f]{64}$/;

/**
 * Blobs as files, which `banger-host oci` writes:
 *
 *     <dir>/
 *       blobs/sha256/<hex>     whole, its digest checked
 *       partial/<...>          a download that a later one continues
 */
export class FsBlobStore implements BlobStore {
  readonly dir: string;

  constructor({ dir }: { dir: string }) {
    this.dir = dir;
  }

  async list(): Promise<ReadonlyMap<string, number>> {
    const found = new Map<string, number>();
    for (const hex of await readdirIfThere(this.#blobs())) {
      if (!HEX.test(hex)) continue;
      const bytes = await bytesOf(join(this.#blobs(), hex));
      if (bytes !== undefined) found.set(`sha256:${hex}`, bytes);
    }
    return found;
  }

  async retainOnly(
    digests: ReadonlySet<string>,
    { signal, isDryRun }: Abortable & { isDryRun: boolean },
  ): Promise<RemovedBlobs> {
    const removed = { count: 0, bytes: 0 };
    for (const [digest, bytes] of await this.list()) {
      signal.throwIfAborted();
      if (digests.has(digest)) continue;
      removed.count += 1;
      removed.bytes += bytes;
      if (!isDryRun) await rm(join(this.#blobs(), digest.slice('sha256:'.length)), { force: true });
    }
    removed.bytes += await this.#removePartial({ isDryRun });
    return removed;
  }

  /** Returns how many bytes on disk interrupted downloads take, or took. */
  async #removePartial({ isDryRun }: { isDryRun: boolean }): Promise<number> {
    const partial = join(this.dir, 'partial');
    let bytes = 0;
    for (const name of await readdirIfThere(partial)) bytes += (await bytesOf(join(partial, name))) ?? 0;
    if (!isDryRun) await rm(partial, { recursive: true, force: true });
    return bytes;
  }

  #blobs(): string {
    return join(this.dir, 'blobs', 'sha256');
  }
}

async function bytesOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).blocks * 512;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}
