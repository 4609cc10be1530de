import type { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../base/errors.ts';

/**
 * All changes of the schema, in order; the database's `user_version` is how many it has had. Append, never edit one that was
 * released. Each runs in a transaction of its own.
 */
const MIGRATIONS: readonly string[] = [
  // 1: VMs. `record` is the JSON of VmRecord; the columns beside it are what the database itself must know.
  `CREATE TABLE vms (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL UNIQUE,
     record TEXT NOT NULL CHECK (json_valid(record))
   ) STRICT`,
  // 2: VMs have a network or not.
  `UPDATE vms SET record = json_set(record, '$.nat', json('false')) WHERE json_extract(record, '$.nat') IS NULL`,
];

/**
 * Brings the schema up to date; nothing to do is fine. A migration that fails leaves the database as the one before it left it.
 *
 * @throws {AppError} STORE_TOO_NEW when a newer version of banger wrote it.
 */
export function migrate(db: DatabaseSync, path: string): void {
  const found = Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
  if (found > MIGRATIONS.length) {
    throw new AppError(
      'STORE_TOO_NEW',
      `Cannot open the records "${path}": a newer version of banger wrote them (schema ${found}, known ${MIGRATIONS.length})`,
      { hint: 'use the newer version again', details: { path, found, known: MIGRATIONS.length } },
    );
  }
  MIGRATIONS.forEach((sql, index) => {
    if (index < found) return;
    db.exec(`BEGIN IMMEDIATE; ${sql}; PRAGMA user_version = ${index + 1}; COMMIT`);
  });
}
