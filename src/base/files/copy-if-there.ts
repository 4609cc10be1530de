import { cp } from 'node:fs/promises';
import { isErrno } from '../errors.ts';

/**
 * Copies a file, or a folder with everything in it, to `to`; does nothing when there is nothing at `from`.
 */
export async function copyIfThere(from: string, to: string): Promise<void> {
  try {
    await cp(from, to, { recursive: true });
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
  }
}
