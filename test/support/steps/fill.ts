import { spawnSync } from 'node:child_process';
import { closeSync, openSync, statfsSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../../src/base/errors.ts';

/**
 * Fills the file system of `dir` with a file `filler` until no space is left, even when other programs free
 * or use space meanwhile.
 */
export function fill(dir: string): void {
  const path = join(dir, 'filler');
  const free = statfsSync(dir);
  const fd = openSync(path, 'a');
  try {
    for (let bytes = free.bavail * free.bsize; bytes >= free.bsize; bytes = Math.floor(bytes / 2)) {
      const { size } = statSync(path);
      spawnSync('fallocate', ['-o', String(size), '-l', String(bytes), path]);
    }
    for (;;) writeSync(fd, Buffer.alloc(512));
  } catch (error) {
    if (!isErrno(error, 'ENOSPC')) throw error;
  } finally {
    closeSync(fd);
  }
}
