import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno, messageOf } from '../../base/errors.ts';
import { parseRepositoryFile, type RepositoryFile, repositoryFileInvalid } from './parse-repository-file.ts';

/** Name of the file in the top folder of a working tree. */
export const REPOSITORY_FILE = '.banger.toml';

const MAX_BYTES = 64 * 1024;

/**
 * Reads the file of the working tree at `repoRoot`, as it is on disk; `undefined` when there is none. It may
 * be anything: neither a link nor a pipe is followed.
 *
 * @throws {AppError} REPOSITORY_FILE_INVALID
 */
export function readRepositoryFile(repoRoot: string): RepositoryFile | undefined {
  const path = join(repoRoot, REPOSITORY_FILE);
  const bytes = readBounded(path);
  if (!bytes) return undefined;
  let source: string;
  try {
    source = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw repositoryFileInvalid(path, 'it is not UTF-8', error);
  }
  return parseRepositoryFile(source, path);
}

function readBounded(path: string): Buffer | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    if (isErrno(error, 'ELOOP')) throw repositoryFileInvalid(path, 'it is a link', error);
    throw repositoryFileInvalid(path, messageOf(error), error);
  }
  try {
    if (!fstatSync(file).isFile()) throw repositoryFileInvalid(path, 'it is not a file');
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let length = 0;
    for (let count = -1; count !== 0 && length < buffer.length; length += count) {
      count = readSync(file, buffer, length, buffer.length - length, null);
    }
    if (length > MAX_BYTES) throw repositoryFileInvalid(path, 'it is larger than 64 KiB');
    return buffer.subarray(0, length);
  } finally {
    closeSync(file);
  }
}
