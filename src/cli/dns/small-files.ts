import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../../base/errors.ts';

/** Most of a configuration file that is read, in characters; most files of a folder. */
const MAX_CHARS = 65_536;
const MAX_FILES = 200;

/** Paths of the `.conf` files of a folder; none when there is no such folder or this user may not look. */
export function filesIn(folder: string): string[] {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.conf'));
    return names.slice(0, MAX_FILES).map((name) => join(folder, name));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return [];
    throw error;
  }
}

/** The text of a configuration file; `undefined` when there is none that this user may read. */
export function readSmall(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').slice(0, MAX_CHARS);
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR', 'ELOOP')) return undefined;
    throw error;
  }
}
