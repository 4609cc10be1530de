import { lstatSync } from 'node:fs';

/**
 * Names the file that `path` leads to now, links not followed: the same text as long as it is the same file.
 * `undefined` when there is none. Opens nothing, because closing any descriptor of a file drops this
 * process's locks on it (fcntl(2)).
 */
export function identityOf(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return found && `${found.dev}:${found.ino}`;
}
