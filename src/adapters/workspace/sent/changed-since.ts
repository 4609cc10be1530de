import { lstat } from 'node:fs/promises';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import { bytePath } from '../byte-path.ts';

/** `ms` that the times of files may be behind the clock that a program reads: Linux counts them in ticks. */
const CLOCK_LAG_MS = 20;

/** Concurrent lookups; Node has four threads for them. */
const LOOKUPS_AT_ONCE = 64;

/**
 * The first of the files, latin1 paths below `root`, that may have been changed after `sinceMs`. A change
 * that a program hides by setting the times back counts too. Files that are gone do not.
 */
export async function changedSince(
  root: string,
  paths: readonly string[],
  { sinceMs, signal }: Abortable & { sinceMs: number },
): Promise<string | undefined> {
  const isChanged = async (path: string): Promise<boolean> => {
    try {
      const { ctimeMs } = await lstat(bytePath(root, path));
      // A time to come is that of another clock, a file server's for example, and says nothing.
      return ctimeMs >= sinceMs - CLOCK_LAG_MS && ctimeMs <= Date.now() + CLOCK_LAG_MS;
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
      throw error;
    }
  };
  for (let at = 0; at < paths.length; at += LOOKUPS_AT_ONCE) {
    signal.throwIfAborted();
    const batch = paths.slice(at, at + LOOKUPS_AT_ONCE);
    const answers = await Promise.all(batch.map(isChanged));
    const found = batch[answers.indexOf(true)];
    if (found !== undefined) return found;
  }
  return undefined;
}
