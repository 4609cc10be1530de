import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../base/errors.ts';
import { shellWord } from '../../base/text/shell-word.ts';

/** Where sudo(8) looks for programs, whatever the user's PATH (`secure_path`). */
const SECURE_PATH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * The line for a shell that runs banger as root with these arguments. It has the path of the launcher unless
 * sudo finds the same program by the name `banger`.
 */
export function sudoLine(
  words: readonly string[],
  { launcherArgv, searched = SECURE_PATH }: { launcherArgv: readonly string[]; searched?: readonly string[] },
): string {
  const own = realPath(launcherArgv[0] ?? '');
  const first = searched.map((folder) => realPath(join(folder, 'banger'))).find((path) => path !== undefined);
  const program =
    launcherArgv.length === 1 && first !== undefined && first === own ? ['banger'] : launcherArgv;
  return ['sudo', ...program, ...words].map(shellWord).join(' ');
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP')) return undefined;
    throw error;
  }
}
