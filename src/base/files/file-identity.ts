import { lstatSync } from 'node:fs';

/**
 * Identifies the file at `path`, without following links: the result stays the same as long as it is the same
 * file. `undefined` when there is none. Opens nothing, because closing any descriptor of a file drops this
 * process's locks on it (fcntl(2)).
 */
export function identityOf(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return found && `${found.dev}:${found.ino}`;
}
