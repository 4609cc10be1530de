import type { DatabaseSync } from 'node:sqlite';
import { AppError, isErrno } from '../../base/errors.ts';
import { copiesOf, copyDatabase } from './database-copies.ts';

/**
 * All changes of the schema, in order; the database's `user_version` is the number of those applied. Append
 * only: never edit a released one. Each runs in its own transaction.
 */
const MIGRATIONS: readonly string[] = [
  // 1: VMs. `record` is the JSON of VmRecord; the other columns are those that the database itself needs.
  `CREATE TABLE vms (
     id TEXT PRIMARY KEY,
     name TEXT NOT NULL UNIQUE,
     record TEXT NOT NULL CHECK (json_valid(record))
   ) STRICT`,
  // 2: VMs have a network or not.
  `UPDATE vms SET record = json_set(record, '$.nat', json('false')) WHERE json_extract(record, '$.nat') IS NULL`,
  // 3: Which banger wrote the database: `version` is the last one that used this schema. Every later schema
  // keeps this table unchanged, because it is what a version reads that is too old for the rest.
  `CREATE TABLE banger (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`,
  // 4: A network has a mode. Records that cannot be read stay as they are.
  `UPDATE vms SET record = json_remove(
     json_set(record, '$.network', json_object('mode', iif(json_extract(record, '$.nat'), 'user', 'none'))), '$.nat'
   ) WHERE json_type(record, '$.nat') IN ('true', 'false')`,
];

/**
 * Brings the schema up to date; does nothing when it is. Copies a database that has records first. A failed
 * migration leaves the database as the previous one left it. Stores `version` as the banger that wrote the
 * database.
 *
 * @throws {AppError} STORE_TOO_NEW when a newer version of banger wrote it; names that version when the
 * database says so.
 */
export function migrate(db: DatabaseSync, path: string, { version }: { version: string }): void {
  const found = schemaOf(db);
  if (found > MIGRATIONS.length) throw tooNew(path, { found, writer: writerOf(db) });
  if (found > 0 && found < MIGRATIONS.length) copyDatabase(db, { path, schema: found });
  MIGRATIONS.forEach((sql, index) => {
    if (index < found) return;
    inTransaction(db, `${sql}; PRAGMA user_version = ${index + 1}`);
  });
  if (writerOf(db) === version) return;
  db.prepare("INSERT OR REPLACE INTO banger (key, value) VALUES ('version', ?)").run(version);
}

/** The newest schema that this version supports. */
export const NEWEST_SCHEMA = MIGRATIONS.length;

/** The number of the schema that a database has; 0 for a new one. */
export function schemaOf(db: DatabaseSync): number {
  return Number(db.prepare('PRAGMA user_version').get()?.['user_version']);
}

/** The numbers of the schema changes that a database with `schema` lacks. */
export function pendingMigrations(schema: number): number[] {
  return MIGRATIONS.map((_, index) => index + 1).filter((number) => number > schema);
}

function inTransaction(db: DatabaseSync, sql: string): void {
  try {
    db.exec(`BEGIN IMMEDIATE; ${sql}; COMMIT`);
  } catch (error) {
    // A full database has already rolled back.
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** The version of banger that wrote the database; `undefined` when it does not say. */
export function writerOf(db: DatabaseSync): string | undefined {
  try {
    const row = db.prepare("SELECT value FROM banger WHERE key = 'version'").get();
    return row && String(row['value']);
  } catch (error) {
    // SQLITE_ERROR, no such table: a schema older than that table, or one that breaks the rule above.
    if (!isErrno(error, 'ERR_SQLITE_ERROR') || !('errcode' in error) || error.errcode !== 1) throw error;
    return undefined;
  }
}

function tooNew(path: string, { found, writer }: { found: number; writer: string | undefined }): AppError {
  const known = MIGRATIONS.length;
  const newer = writer === undefined ? 'a newer version of banger' : `banger ${writer}`;
  const copy = copiesOf(path).find(({ schema }) => schema <= known);
  const orCopy = copy
    ? `, or replace them with the older records "${copy.path}", which lack VMs made since`
    : '';
  return new AppError(
    'STORE_TOO_NEW',
    `Cannot open the records "${path}": ${newer} wrote them, with schema ${found}, but this version supports ${known}`,
    {
      hint: `use ${writer === undefined ? 'the newer version' : newer} again${orCopy}`,
      details: {
        path,
        found,
        known,
        ...(writer === undefined ? {} : { writer }),
        ...(copy ? { copy: copy.path } : {}),
      },
    },
  );
}
