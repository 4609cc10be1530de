import { createHash } from 'node:crypto';
import { join } from 'node:path';

/**
 * The folder below `scratch` in which the test file at an absolute path makes all of its own. Its name is
 * short, because sockets are in it.
 */
export function ownFolderOf(scratch: string, file: string): string {
  return join(scratch, createHash('sha256').update(file).digest('hex').slice(0, 4));
}
