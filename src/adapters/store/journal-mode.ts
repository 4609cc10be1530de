import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { isErrno } from '../../base/errors.ts';
import { kindOfType } from '../../base/files/file-system.ts';

/**
 * SQLite's result codes SQLITE_IOERR, SQLITE_CANTOPEN and SQLITE_PROTOCOL, with which it fails where memory
 * cannot be shared through files.
 */
const NO_SHARED_MEMORY = [10, 14, 15];

/** SQLITE_IOERR_SHMSIZE: memory can be shared, but the disk is full. */
const FULL = 4874;

/**
 * Opens the database at `path` with `open` so that writes are durable. Uses a write-ahead log, which is
 * faster, where the file system lets processes share memory, and a rollback journal elsewhere. Converts a
 * database with a log from another file system. `attempt` runs each step.
 */
export function openJournaled(
  path: string,
  { open, attempt }: { open: () => DatabaseSync; attempt: <T>(step: () => T) => T },
): DatabaseSync {
  if (!kindOfType(statfsSync(dirname(path)).type).isRemote) {
    const db = open();
    if (orClose(db, () => attempt(() => logs(db)))) return db;
    db.close();
  }
  const db = open();
  // In exclusive mode from the start, SQLite needs no shared memory, so it can read an existing log.
  const step = 'PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL';
  orClose(db, () => attempt(() => db.exec(step)));
  orClose(db, () =>
    attempt(() => db.exec('PRAGMA locking_mode = NORMAL; SELECT count(*) FROM sqlite_schema')),
  );
  return db;
}

function orClose<T>(db: DatabaseSync, work: () => T): T {
  try {
    return work();
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Tries the log with a transaction that changes nothing. */
function logs(db: DatabaseSync): boolean {
  try {
    const mode = db.prepare('PRAGMA journal_mode = WAL').get()?.['journal_mode'];
    db.exec('PRAGMA synchronous = FULL; BEGIN IMMEDIATE; COMMIT');
    return mode === 'wal';
  } catch (error) {
    if (!isErrno(error, 'ERR_SQLITE_ERROR') || !('errcode' in error)) throw error;
    const code = Number(error.errcode);
    if (code === FULL || !NO_SHARED_MEMORY.includes(code & 0xff)) throw error;
    if (db.isTransaction) db.exec('ROLLBACK');
    return false;
  }
}
