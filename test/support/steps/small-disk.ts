import { mkdir } from 'node:fs/promises';
import { neverAborts } from '../../../src/base/abort.ts';
import { exec } from '../../../src/base/process/exec.ts';

/**
 * Makes `dir` a file system of its own with room for `sizeBytes`, so that it can be filled; needs root.
 * Disposing unmounts it, and what was in it is gone.
 */
export async function mountSmallDisk(dir: string, sizeBytes: number): Promise<AsyncDisposable> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const signal = neverAborts();
  await exec(['mount', '-t', 'tmpfs', '-o', `size=${sizeBytes},mode=0700`, 'banger-test', dir], { signal });
  return {
    [Symbol.asyncDispose]: async () => {
      await exec(['umount', '-l', dir], { signal });
    },
  };
}
