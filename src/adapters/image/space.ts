import { statfs } from 'node:fs/promises';
import { AppError } from '../../base/errors.ts';
import { formatSize } from '../../base/text/size.ts';

/** Bytes that an ordinary user may still write to the file system of `dir`. */
export async function freeBytes(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

/** The error for an image that does not fit on the disk. */
export function noSpace(
  imageName: string,
  { dir, free, neededBytes, cause }: { dir: string; free: number; neededBytes?: number; cause?: unknown },
): AppError {
  const needs = neededBytes === undefined ? '' : `, a build needs ${formatSize(neededBytes)}`;
  return new AppError(
    'HOST_NO_SPACE',
    `Cannot build image "${imageName}": "${dir}" has ${formatSize(free)} free${needs}`,
    {
      hint: `free some space there, or set XDG_DATA_HOME to a folder on a larger disk`,
      details: {
        path: dir,
        freeBytes: free,
        ...(neededBytes === undefined ? {} : { neededBytes }),
      },
      cause,
    },
  );
}
