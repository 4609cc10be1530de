import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../errors.ts';
import { plural } from '../text/words.ts';

/** Names of files in a folder, and the size of each in bytes when it was created. */
export type RecordedSizes = Readonly<Record<string, number>>;

/** The state of recorded files. */
export interface RecordedFiles {
  /** what is wrong with the first bad file, for people; absent when all match */
  problem?: string;
  /** their size on disk; sparse files take less than their length */
  diskBytes: number;
}

/** Compares the files of `dir` with their recorded sizes; reads no content. */
export async function checkRecordedFiles(dir: string, sizes: RecordedSizes): Promise<RecordedFiles> {
  let diskBytes = 0;
  for (const [name, wanted] of Object.entries(sizes)) {
    const path = join(dir, name);
    const found = await statIfThere(path);
    if (!found?.isFile()) return { problem: `"${path}" is missing`, diskBytes };
    if (found.size !== wanted) {
      return { problem: `"${path}" has ${plural(found.size, 'byte')} instead of ${wanted}`, diskBytes };
    }
    diskBytes += found.blocks * 512;
  }
  return { diskBytes };
}

/** Sizes of the files `names` in `dir`, for the record. */
export async function recordSizes(dir: string, names: readonly string[]): Promise<RecordedSizes> {
  const sizes = names.map(async (name) => [name, (await stat(join(dir, name))).size] as const);
  return Object.fromEntries(await Promise.all(sizes));
}

async function statIfThere(path: string) {
  try {
    return await stat(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
