import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Abortable } from '../../../base/abort.ts';
import { bytePath } from '../byte-path.ts';
import { openRegularFile } from '../small-file.ts';

/** `bytes` of the largest pointer (git-lfs's specification says 1024). */
export const MAX_POINTER_BYTES = 1024;

/** What git stores in place of a file that Git LFS keeps elsewhere. */
export interface LfsPointer {
  sha256: string;
  size: number;
}

/** Parses the blob of a file with Git LFS (git-lfs's docs/spec.md); `undefined` for any other blob. */
export function parseLfsPointer(blob: Buffer): LfsPointer | undefined {
  if (blob.length > MAX_POINTER_BYTES) return undefined;
  const [, sha256, size] =
    /^version https:\/\/git-lfs\.github\.com\/spec\/v1\noid sha256:([0-9a-f]{64})\nsize (\d{1,15})\n$/.exec(
      blob.toString('latin1'),
    ) ?? [];
  return sha256 === undefined ? undefined : { sha256, size: Number(size) };
}

/** Whether the file is the one that a pointer stands for. Reads it only if its size is right. */
export async function isFileOfPointer(
  { root, path, pointer }: { root: string; path: string; pointer: LfsPointer },
  { signal }: Abortable,
): Promise<boolean> {
  await using file = await openRegularFile(bytePath(root, path), { followLink: false });
  if (!file || (await file.stat()).size !== pointer.size) return false;
  const hash = createHash('sha256');
  await pipeline(file.createReadStream({ autoClose: false }), hash, { signal });
  return hash.digest('hex') === pointer.sha256;
}
