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

/** Mode bits (stat(2)). In a sticky folder, only the owner of a name may remove or rename it. */
const OTHERS_ENTER = 0o077;
const OTHERS_WRITE = 0o022;
const ALL_WRITE = 0o002;
const STICKY = 0o1000;

/**
 * open(2): only a location in the tree, so that no read permission is needed. Node has no constant for it.
 */
const O_PATH = 0o10000000;
const FOLDER_ITSELF = O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Creates `path` and its missing parents, mode 0700, and ensures that `path` is a real folder that belongs to
 * this user and that nobody else may enter. Creates every folder relative to its parent's descriptor and
 * checks it through its own descriptor, so another user who creates or exchanges folders at the same moment
 * never gets one accepted. Idempotent.
 *
 * @throws {AppError} DIR_NOT_PRIVATE when `path` is a link, belongs to another user or is open to others, or
 * when another user owns a folder on the way to it that is in a world-writable folder.
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
 * Like {@link ensurePrivateDir}, for a folder that others may read, and that may be a link of this user to
 * another place: it must belong to this user, and nobody else may write to it.
 *
 * @throws {AppError} DIR_NOT_PRIVATE like {@link ensurePrivateDir}.
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
 * Ensures that no other user can replace `path`, where our sockets are, with a folder of theirs: this user
 * owns it, if it exists, and its parent belongs to this user or to the system. In a world-writable folder
 * such as `/tmp`, another user can create a folder with our name first. Creates nothing.
 *
 * @throws {AppError} DIR_NOT_PRIVATE naming the other user's folder.
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
    // It existed a moment ago, so another program is changing these names right now.
    throw isErrno(error, 'ENOENT') ? exchanged(path) : error;
  }
}

/** Opens the folder `path`; creates it and its parents when missing. The caller closes it. */
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

/** An existing folder, through any links of this user or the system. */
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

/** Refuses a path through something that another user has created in a world-writable folder. */
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
  return notPrivate(path, 'it was replaced while it was being created', 'try again');
}

/** The error with the path that the user knows, instead of one through a descriptor. */
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
