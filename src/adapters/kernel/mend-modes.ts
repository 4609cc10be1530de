import { chmod, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { kernelLayout } from './layout.ts';

const LIST_MODE = 0o644;

/**
 * Lets everybody read depmod's lists of the kernel in `dir`, as its other files. Earlier versions gave them
 * the modes of the umask under which depmod had run. Idempotent; a failure is only logged, as the owner can
 * use the kernel nevertheless.
 */
export async function mendModes(dir: string, { log }: { log: Logger }): Promise<void> {
  for (const name of ['modules.dep', 'modules.builtin']) {
    const path = join(kernelLayout(dir).bootModules, name);
    try {
      const { mode } = await stat(path);
      if ((mode & LIST_MODE) !== LIST_MODE) await chmod(path, LIST_MODE);
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) continue;
      log.warn('a list of kernel modules keeps its mode', { path, error });
    }
  }
}
