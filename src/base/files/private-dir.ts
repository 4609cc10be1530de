import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  rmdirSync,
  type Stats,
  statSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { AppError, isErrno } from '../errors.ts';

/** Mode bits (stat(2)). Where names are sticky, only the owner of a name may remove or rename it. */
const OTHERS_ENTER = 0o077;
const OTHERS_WRITE = 0o022;
const ALL_WRITE = 0o002;
const STICKY = 0o1000;

/**
 * open(2): the place in the tree and nothing else, so that no permission to read is needed. Node has no name
 * for it.
 */
const O_PATH = 0o10000000;
const FOLDER_ITSELF = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Makes `path` and its missing parents, mode 0700, and makes sure that `path` is a real folder that belongs
 * to this user and that nobody else may enter. Every folder is made below the descriptor of its parent and
 * looked at by its own descriptor, so another user who makes or exchanges folders at the same moment never
 * gets one of theirs accepted. Idempotent.
 *
 * @throws {AppError} DIR_NOT_PRIVATE when `path` is a link, belongs to another user or is open to others, or
 * when another user owns a folder on the way to it that is in a folder where everybody may make names.
 */
export async function ensurePrivateDir(path: string): Promise<void> {
  const isNew = !lstatSync(path, { throwIfNoEntry: false });
  const folder = openMadeOrRefuse(path);
  try {
    const found = fstatSync(folder);
    if (isNew && (found.mode & OTHERS_ENTER) !== 0) {
      rmdirSync(path);
      const local = 'set XDG_STATE_HOME to a folder on a local file system';
      throw notPrivate(path, 'its file system does not keep permissions', local);
    }
    const problem =
      ownerProblem(found, [ownUid()]) ??
      ((found.mode & OTHERS_ENTER) !== 0
        ? `others may enter it (mode ${(found.mode & 0o777).toString(8)})`
        : undefined);
    if (problem) throw notPrivate(path, problem);
    const named = lstatSync(path, { throwIfNoEntry: false });
    if (named?.ino !== found.ino || named.dev !== found.dev) throw exchanged(path);
  } finally {
    closeSync(folder);
  }
}

/**
 * The same for a folder that others may read, and that may be a link of this user's to another place: it
 * belongs to this user, and nobody else may write to it.
 *
 * @throws {AppError} DIR_NOT_PRIVATE as {@link ensurePrivateDir}.
 */
export async function ensureOwnDir(path: string): Promise<void> {
  const folder = statSync(path, { throwIfNoEntry: false }) ? openParent(path) : openMadeOrRefuse(path);
  try {
    const found = fstatSync(folder);
    const problem =
      ownerProblem(found, [ownUid()]) ??
      ((found.mode & ALL_WRITE) !== 0 ? 'others may write to it' : undefined);
    if (problem) throw notPrivate(path, problem);
  } finally {
    closeSync(folder);
  }
}

/**
 * Makes sure that no other user can put a folder of theirs in the place of `path`, where our sockets are:
 * this user owns it, if it exists, and its parent belongs to this user or to the system. In a folder that
 * everybody may write to, such as `/tmp`, another user can make a folder of our name before we do. Makes
 * nothing.
 *
 * @throws {AppError} DIR_NOT_PRIVATE naming the folder of another user.
 */
export function requireOwnPlace(path: string): void {
  const parent = dirname(path);
  const places: [string, number[]][] = [
    [parent, [ownUid(), 0]],
    [path, [ownUid()]],
  ];
  for (const [place, owners] of places) {
    const found = lstatSync(place, { throwIfNoEntry: false });
    // A file holds no sockets: nothing listens there.
    if (!found || (found.isFile() && found.uid === ownUid())) return;
    const isOpen = (found.mode & OTHERS_WRITE) !== 0 && (found.mode & STICKY) === 0;
    const problem = ownerProblem(found, owners) ?? (isOpen ? 'others may write to it' : undefined);
    if (problem) throw notPrivate(place, problem, 'set XDG_STATE_HOME to a folder of your own');
  }
}

function openMadeOrRefuse(path: string): number {
  try {
    return openMade(path);
  } catch (error) {
    // What was there a moment ago is not: another program changes these names at this moment.
    throw isErrno(error, 'ENOENT') ? exchanged(path) : error;
  }
}

/** The open folder `path`, made with its parents when it is missing. The caller closes it. */
function openMade(path: string): number {
  if (lstatSync(path, { throwIfNoEntry: false })) {
    requireOwnWay(path);
    return openFolder(path, path);
  }
  const above = dirname(path);
  const parent = statSync(above, { throwIfNoEntry: false }) ? openParent(above) : openMade(above);
  try {
    const below = `/proc/self/fd/${parent}/${basename(path)}`;
    try {
      mkdirSync(below, { mode: 0o700 });
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw withPath(error, path);
    }
    const made = openFolder(below, path);
    const problem = ownerProblem(fstatSync(made), [ownUid()]);
    if (!problem) return made;
    closeSync(made);
    throw notPrivate(path, problem);
  } finally {
    closeSync(parent);
  }
}

/** A folder that exists, by whatever links of this user or the system. */
function openParent(path: string): number {
  requireOwnWay(path);
  const real = realpathSync(path);
  requireOwnWay(real);
  return openFolder(real, path);
}

function openFolder(path: string, name: string): number {
  try {
    return openSync(path, FOLDER_ITSELF);
  } catch (error) {
    if (isErrno(error, 'ENOTDIR', 'ELOOP')) throw notPrivate(name, 'it is not a folder');
    throw withPath(error, name);
  }
}

/**
 * Refuses a path that leads through what another user has made in a folder where everybody may make names.
 */
function requireOwnWay(path: string): void {
  const parent = dirname(path);
  if (parent === path) return;
  requireOwnWay(parent);
  if ((statSync(parent).mode & ALL_WRITE) === 0) return;
  const { uid } = lstatSync(path);
  if (uid !== ownUid() && uid !== 0) throw notPrivate(path, belongsTo(uid));
}

function ownerProblem(found: Stats, owners: readonly number[]): string | undefined {
  if (!found.isDirectory()) return 'it is not a folder';
  return owners.includes(found.uid) ? undefined : belongsTo(found.uid);
}

function belongsTo(uid: number): string {
  return `it belongs to user ${uid}, not to you (${ownUid()})`;
}

function notPrivate(path: string, problem: string, hint = `remove it, or: chmod 700 '${path}'`): AppError {
  return new AppError('DIR_NOT_PRIVATE', `Cannot use the folder "${path}": ${problem}`, {
    hint,
    details: { path },
  });
}

function exchanged(path: string): AppError {
  return notPrivate(path, 'it was exchanged while it was made', 'try again');
}

/** The error with the name that the user knows in place of one by descriptor. */
function withPath(error: unknown, path: string): unknown {
  if (!(error instanceof Error) || !('code' in error)) return error;
  return Object.assign(new Error(`${error.code}: "${path}"`, { cause: error }), {
    code: error.code,
    path,
    ...('syscall' in error ? { syscall: error.syscall } : {}),
  });
}

function ownUid(): number {
  return process.getuid?.() ?? 0;
}
