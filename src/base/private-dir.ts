import { lstat, mkdir } from 'node:fs/promises';
import { AppError } from './errors.ts';

/**
 * Makes `path` (and its parents) if it is missing, and makes sure that nobody else can have put it there or can look in: a real folder, ours, mode 0700.
 * Idempotent.
 *
 * @throws {AppError} DIR_NOT_PRIVATE when it is a symlink, somebody else's, or open to others.
 */
export async function ensurePrivateDir(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const found = await lstat(path);
  const uid = process.getuid?.();
  const problem = !found.isDirectory()
    ? 'it is not a folder'
    : found.uid !== uid
      ? `it belongs to user ${found.uid}, not to you (${uid})`
      : (found.mode & 0o077) !== 0
        ? `others may enter it (mode ${(found.mode & 0o777).toString(8)})`
        : undefined;
  if (problem) {
    throw new AppError('DIR_NOT_PRIVATE', `Cannot use the folder "${path}": ${problem}`, {
      hint: `remove it, or: chmod 700 '${path}'`,
      details: { path },
    });
  }
}
