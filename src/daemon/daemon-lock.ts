import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { isErrno } from '../base/errors.ts';
import { identityOf } from '../base/files/file-identity.ts';
import { type FileLock, tryLock } from '../base/files/file-lock.ts';
import type { DaemonPlace } from '../config/daemon-places.ts';
import type { Paths } from '../config/paths.ts';

/** SQLite's result code SQLITE_CANTOPEN: the folder is gone. */
const CANNOT_OPEN = 14;

/** What makes this process the only daemon of a state folder. */
export class DaemonLock implements Disposable {
  #held: FileLock;
  readonly #paths: Paths;
  #records: string | undefined;

  private constructor(held: FileLock, paths: Paths) {
    this.#held = held;
    this.#paths = paths;
  }

  /** Takes the lock; `undefined` when another daemon holds it. */
  static take(paths: Paths): DaemonLock | undefined {
    const held = tryLock(paths.daemonLockFile);
    return held && new DaemonLock(held, paths);
  }

  /**
   * Writes down which process is the daemon and where it listens. On a full disk it writes nothing; the
   * daemon is found without that.
   */
  announce(socketPath: string): void {
    this.#records ??= identityOf(this.#paths.recordsFile);
    DaemonLock.announceOther(this.#paths, { pid: process.pid, socketPath });
  }

  /** The same for another process's daemon. */
  static announceOther({ daemonPlaceFile }: Paths, place: DaemonPlace): void {
    try {
      writeFileSync(daemonPlaceFile, `${JSON.stringify(place)}\n`, { mode: 0o600 });
    } catch (error) {
      if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
    }
  }

  /** Deletes what {@link DaemonLock.announce} wrote, if this is still the daemon. */
  async withdraw(): Promise<void> {
    if (this.#held.isInPlace()) await rm(this.#paths.daemonPlaceFile, { force: true });
  }

  /**
   * Returns whether this is still the daemon of the state folder. Creates and locks a deleted lock file
   * again. False when the records are gone or replaced, or another daemon has locked a new lock file: the
   * state folder then belongs to another daemon for good.
   */
  keep(): boolean {
    const isOfUs = identityOf(this.#paths.recordsFile) === this.#records;
    if (!isOfUs) return false;
    if (this.#held.isInPlace()) return true;
    const again = lockAgain(this.#held.path);
    if (!again) return false;
    this.#held[Symbol.dispose]();
    this.#held = again;
    return true;
  }

  /** Releases the lock. Idempotent. */
  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]();
  }
}

function lockAgain(path: string): FileLock | undefined {
  try {
    return tryLock(path);
  } catch (error) {
    if (isErrno(error, 'ERR_SQLITE_ERROR') && 'errcode' in error && error.errcode === CANNOT_OPEN)
      return undefined;
    throw error;
  }
}
