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
    const files = await filesIn(this.#blobs());
    return new Map(
      [...files].flatMap(([hex, { bytes }]) => (HEX.test(hex) ? [[`sha256:${hex}`, bytes]] : [])),
    );
  }

  async retainOnly(
    digests: ReadonlySet<string>,
    { signal, isDryRun, keepForMs = 0 }: Abortable & { isDryRun: boolean; keepForMs?: number },
  ): Promise<RemovedBlobs> {
    const removed = { count: 0, bytes: 0 };
    const untilMs = Date.now() - keepForMs;
    const isOld = ({ writtenMs }: BlobFile): boolean => keepForMs === 0 || writtenMs < untilMs;
    for (const [hex, file] of await filesIn(this.#blobs())) {
      signal.throwIfAborted();
      if (!HEX.test(hex) || digests.has(`sha256:${hex}`) || !isOld(file)) continue;
      removed.count += 1;
      removed.bytes += file.bytes;
      if (!isDryRun) await rm(join(this.#blobs(), hex), { force: true });
    }
    const partial = join(this.dir, 'partial');
    for (const [name, file] of await filesIn(partial)) {
      if (!isOld(file)) continue;
      removed.bytes += file.bytes;
      if (!isDryRun) await rm(join(partial, name), { recursive: true, force: true });
    }
    return removed;
  }

  #blobs(): string {
    return join(this.dir, 'blobs', 'sha256');
  }
}

interface BlobFile {
  /** on disk */
  bytes: number;
  writtenMs: number;
}

async function filesIn(folder: string): Promise<Map<string, BlobFile>> {
  const files = new Map<string, BlobFile>();
  for (const name of await readdirIfThere(folder)) {
    try {
      const { blocks, mtimeMs } = await stat(join(folder, name));
      files.set(name, { bytes: blocks * 512, writtenMs: mtimeMs });
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
    }
  }
  return files;
}
