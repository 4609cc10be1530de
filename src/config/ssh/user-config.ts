import { constants, lstatSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError, isErrno } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files/atomic-file.ts';
import { reportNoSpace } from '../../base/files/no-space.ts';
import { formatSize } from '../../base/text/size.ts';

/** Largest configuration that is edited, in `bytes`; people write these files by hand. */
const MAX_BYTES = 2 ** 20;

/** What the file system says about a file that cannot be changed. */
const REFUSALS = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ENOENT', 'EEXIST', 'ELOOP', 'EBUSY'];

/** The user's own ssh configuration, `~/.ssh/config`. */
export interface UserConfig {
  path: string;
  /** where its content is, when `path` is a symlink or is reached through one */
  realPath: string;
  /** one character for each byte (`latin1`); absent when the file does not exist */
  text?: string;
  /** permission bits of the file */
  mode: number;
}

/** A new file is private to the user, as ssh(1) recommends. */
const NEW_MODE = 0o600;

/**
 * Reads the file at `path`, through symlinks.
 *
 * @throws {AppError} SSH_CONFIG_UNUSABLE when it cannot be read, or is too large.
 */
export function readUserConfig(path: string): UserConfig {
  try {
    if (!lstatSync(path, { throwIfNoEntry: false })) return { path, realPath: path, mode: NEW_MODE };
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) throw unusable(path, 'it is a symlink to a file that does not exist');
    if (!found.isFile()) throw unusable(path, 'it is not a file');
    if (found.size > MAX_BYTES) throw unusable(path, `it is larger than ${formatSize(MAX_BYTES)}`);
    const text = readFileSync(path, 'latin1');
    return { path, realPath: realpathSync(path), text, mode: found.mode & 0o7777 };
  } catch (error) {
    throw isErrno(error, ...REFUSALS) ? unusable(path, 'it cannot be read', error) : error;
  }
}

/**
 * Replaces the text of a file, atomically; `undefined` deletes it. A symlink stays, and its target is
 * replaced. Creates a missing file (mode 0600), and its folder (mode 0700).
 *
 * @throws {AppError} SSH_CONFIG_UNUSABLE when it is read-only, belongs to another user, or no longer has the
 * text that was read; HOST_NO_SPACE. Nothing is changed then.
 */
export async function writeUserConfig(
  { path, realPath, mode, text: before }: UserConfig,
  text: string | undefined,
): Promise<void> {
  const folder = dirname(realPath);
  try {
    const found = statSync(realPath, { throwIfNoEntry: false });
    if (found) requireWritable(path, found);
    // An editor may have saved it since.
    if (readUserConfig(path).text !== before) throw unusable(path, 'it was changed at the same moment');
    if (text === undefined) return await rm(realPath);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await reportNoSpace(() => writeFileAtomic(realPath, Buffer.from(text, 'latin1'), { mode }), {
      what: 'the ssh configuration',
      dir: folder,
    });
  } catch (error) {
    throw isErrno(error, ...REFUSALS) ? unusable(path, 'it cannot be changed', error) : error;
  }
}

/** A file that may not be written could be replaced, but its owner does not want it changed. */
function requireWritable(path: string, { uid, mode }: Stats): void {
  const ownUid = process.getuid?.() ?? 0;
  if (uid !== ownUid) throw unusable(path, `it belongs to user ${uid}, not to you (${ownUid})`);
  if ((mode & constants.S_IWUSR) === 0) throw unusable(path, 'it is read-only');
}

/**
 * Changes banger's own ssh configuration at `path`.
 *
 * @throws {AppError} SSH_CONFIG_UNUSABLE when the file system refuses that.
 */
export async function changeOwnConfig<T>(path: string, change: () => Promise<T>): Promise<T> {
  try {
    return await change();
  } catch (error) {
    if (!isErrno(error, ...REFUSALS)) throw error;
    const hint = `see who owns "${dirname(path)}", and make it yours`;
    throw unusable(path, 'it cannot be changed', error, hint);
  }
}

function unusable(
  path: string,
  why: string,
  cause?: unknown,
  hint = 'put the line that banger ssh-config prints at its top yourself',
): AppError {
  return new AppError('SSH_CONFIG_UNUSABLE', `Cannot use the ssh configuration "${path}": ${why}`, {
    hint,
    details: { path },
    cause,
  });
}
