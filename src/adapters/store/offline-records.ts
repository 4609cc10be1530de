import { chmodSync, copyFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { copiesOf } from './database-copies.ts';
import { NEWEST_SCHEMA, pendingMigrations, schemaOf, writerOf } from './migrations.ts';

/** Whether this version can use a database, without changing it. */
export type RecordsFinding =
  | { outcome: 'compatible'; schema: number | undefined }
  | { outcome: 'migrates'; pending: number[] }
  | { outcome: 'incompatible'; schema: number; writer: string | undefined };

/**
 * Compares the schema of the database at `path` with what this version supports. Reads only, while another
 * version may be using the database. A missing database is compatible.
 */
export function checkRecords(path: string): RecordsFinding {
  if (!statSync(path, { throwIfNoEntry: false })) return { outcome: 'compatible', schema: undefined };
  using db = openForReading(path);
  const schema = schemaOf(db);
  const pending = pendingMigrations(schema);
  if (schema > NEWEST_SCHEMA) return { outcome: 'incompatible', schema, writer: writerOf(db) };
  return pending.length === 0 || schema === 0
    ? { outcome: 'compatible', schema }
    : { outcome: 'migrates', pending };
}

/**
 * Copies the database at `path` to the new file `target` as of one moment, while another process may be
 * writing to it. Returns false when there is none.
 */
export function copyRecords(path: string, target: string): boolean {
  if (!statSync(path, { throwIfNoEntry: false })) return false;
  using db = openForReading(path);
  db.prepare('VACUUM INTO ?').run(target);
  return true;
}

/**
 * Replaces a database that a newer version has migrated with the newest copy from before that which this
 * version can read. Keeps the newer one as `<path>.v<N>.newer`. Returns the path of the copy; `undefined`
 * when the database can be read already, or there is no such copy. The caller is the only user of the
 * database.
 */
export function restoreRecords(path: string): string | undefined {
  const found = checkRecords(path);
  if (found.outcome !== 'incompatible') return undefined;
  const copy = copiesOf(path).find(({ schema }) => schema <= NEWEST_SCHEMA);
  if (!copy) return undefined;
  const temporary = `${path}.restored.tmp`;
  copyFileSync(copy.path, temporary);
  chmodSync(temporary, 0o600);
  // A log of the newer database must not be applied to the older one.
  settleLog(path);
  renameSync(path, `${path}.v${found.schema}.newer`);
  for (const suffix of ['-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true });
  renameSync(temporary, path);
  return copy.path;
}

/** Writes what is in the write-ahead log to the database itself. */
function settleLog(path: string): void {
  using db = new DatabaseSync(path, { timeout: 5_000 });
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
}

function openForReading(path: string): DatabaseSync {
  return new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
}
