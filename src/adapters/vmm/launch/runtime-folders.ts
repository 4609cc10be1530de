import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../../base/errors.ts';

/** A VM's runtime folder and its subfolders; the subfolders belong to VMMs that replaced another one. */
export async function foldersOf(runtimeDir: string): Promise<string[]> {
  try {
    const entries = await readdir(runtimeDir, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory());
    return [runtimeDir, ...folders.map(({ name }) => join(runtimeDir, name))];
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
