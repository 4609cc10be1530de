import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { type Abortable, sleep } from '../abort.ts';
import { isErrno } from '../errors.ts';
import { identityOf } from './file-identity.ts';

/** An exclusive lock on a file name, held until it is disposed of or the process dies in any way. */
export interface FileLock extends Disposable {
  readonly path: string;
  /**
   * False when `path` no longer leads to the locked file: another process may then have locked another file
   * with that name.
   */
  isInPlace(): boolean;
}

/**
 * Takes the lock `path`; returns `undefined` when another process, or another part of this one, holds it. The
 * lock is SQLite's own (POSIX fcntl locks on an empty database file), which the kernel drops when the process
 * ends. The file itself stays and has no meaning.
 */
export function tryLock(path: string): FileLock | undefined {
  const db = new DatabaseSync(path);
  try {
    // Nothing is ever written, so no journal is needed on the disk: no second file, and no space, which may
    // be lacking.
    db.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if (isErrno(error, 'ERR_SQLITE_ERROR') && isBusy(error)) return undefined;
    throw error;
  }
  const locked = identityOf(path);
  return {
    path,
    isInPlace: () => locked !== undefined && identityOf(path) === locked,
    [Symbol.dispose]: () => {
      if (db.isOpen) db.close();
    },
  };
}

/** How to wait for a lock. */
interface WaitOptions extends Abortable {
  /** called once when another process holds it */
  onWait?: () => void;
}

/** Waits for the lock `path`. */
export async function lock(path: string, options: WaitOptions): Promise<FileLock> {
  return await waitFor(() => tryLock(path), options);
}

/**
 * As {@link tryLock}, but the file is removed when the lock is released. Everybody must lock that name this
 * way, because others may get a lock on a file that has just been removed.
 */
export function tryPassingLock(path: string): FileLock | undefined {
  for (;;) {
    const before = identityOf(path);
    const held = tryLock(path);
    if (!held) return undefined;
    // No other file can have the identity of one that is open.
    if (before !== undefined && identityOf(path) === before) return removing(held);
    // The file is new, or was replaced meanwhile.
    held[Symbol.dispose]();
  }
}

/** Waits for the lock `path` of {@link tryPassingLock}. */
export async function passingLock(path: string, options: WaitOptions): Promise<FileLock> {
  return await waitFor(() => tryPassingLock(path), options);
}

function removing(held: FileLock): FileLock {
  let isReleased = false;
  return {
    path: held.path,
    isInPlace: () => held.isInPlace(),
    [Symbol.dispose]: () => {
      if (!isReleased && held.isInPlace()) rmSync(held.path, { force: true });
      isReleased = true;
      held[Symbol.dispose]();
    },
  };
}

async function waitFor(
  attempt: () => FileLock | undefined,
  { onWait, ...options }: WaitOptions,
): Promise<FileLock> {
  for (let tries = 0; ; tries += 1) {
    const held = attempt();
    if (held) return held;
    if (tries === 0) onWait?.();
    await sleep(Math.min(50 * (tries + 1), 500), options);
  }
}

/** SQLite's result code 5, SQLITE_BUSY. */
function isBusy(error: Error): boolean {
  return 'errcode' in error && error.errcode === 5;
}
