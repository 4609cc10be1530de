import { lstatSync, type Stats } from 'node:fs';
import { lstat, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError } from './errors.ts';

/** Mode bits (stat(2)): may be written by others; only the owner of a name may remove or rename it. */
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Makes `path` (and its parents) if it is missing, and makes sure that nobody else can have put it there or can look in: a real folder, ours, mode 0700.
 * Idempotent.
 *
 * @throws {AppError} DIR_NOT_PRIVATE when it is a symlink, somebody else's, or open to others.
 */
export async function ensurePrivateDir(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  const found = await lstat(path);
  const problem =
    ownerProblem(found, [ownUid()]) ??
    ((found.mode & 0o077) !== 0
      ? `others may enter it (mode ${(found.mode & 0o777).toString(8)})`
      : undefined);
  if (problem) throw notPrivate(path, problem);
}

/**
 * Makes sure that nobody else can put a folder of theirs in the place of `path`, in which our sockets are: it is ours, when it is there, and the folder that it
 * is in is ours or the system's. In a folder that everybody may write to, such as `/tmp`, anybody can make what bears our name before we do. Makes nothing.
 *
 * @throws {AppError} DIR_NOT_PRIVATE naming the folder that others have.
 */
export function requireOwnPlace(path: string): void {
  const parent = dirname(path);
  const places: [string, number[]][] = [
    [parent, [ownUid(), 0]],
    [path, [ownUid()]],
  ];
  for (const [place, owners] of places) {
    const found = lstatSync(place, { throwIfNoEntry: false });
    if (!found) return;
    const isOpen = (found.mode & OTHERS_WRITE) !== 0 && (found.mode & STICKY) === 0;
    const problem = ownerProblem(found, owners) ?? (isOpen ? 'others may write to it' : undefined);
    if (problem) throw notPrivate(place, problem, 'set XDG_RUNTIME_DIR to a folder of your own');
  }
}

function ownerProblem(found: Stats, owners: readonly number[]): string | undefined {
  if (!found.isDirectory()) return 'it is not a folder';
  if (owners.includes(found.uid)) return undefined;
  return `it belongs to user ${found.uid}, not to you (${ownUid()})`;
}

function notPrivate(path: string, problem: string, hint = `remove it, or: chmod 700 '${path}'`): AppError {
  return new AppError('DIR_NOT_PRIVATE', `Cannot use the folder "${path}": ${problem}`, {
    hint,
    details: { path },
  });
}

function ownUid(): number {
  return process.getuid?.() ?? 0;
}
