import { chmodSync, closeSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';

/*
 * Beside the records, copies from before each schema change:
 *
 *     records.sqlite.v<N>.bak     schema N, mode 0600; appears by a rename
 */

/** Number of copies to keep, those of the newest schemas. */
const KEPT_COPIES = 3;

/** A copy of the database from before a migration. */
export interface DatabaseCopy {
  path: string;
  /** its `user_version` */
  schema: number;
}

/** The existing copies of the database at `path`, newest schema first. */
export function copiesOf(path: string): DatabaseCopy[] {
  const start = `${basename(path)}.v`;
  const copies: DatabaseCopy[] = [];
  for (const name of readdirSync(dirname(path))) {
    const schema = name.startsWith(start) ? /^([0-9]+)\.bak$/.exec(name.slice(start.length))?.[1] : undefined;
    if (schema !== undefined) copies.push({ path: join(dirname(path), name), schema: Number(schema) });
  }
  return copies.sort((a, b) => b.schema - a.schema);
}

/**
 * Copies the database at `path`, whose schema is `schema`, and deletes the oldest copies beyond {@link
 * KEPT_COPIES}. The copy is on disk when this returns; a crash leaves the previous copy.
 */
export function copyDatabase(db: DatabaseSync, { path, schema }: DatabaseCopy): void {
  const target = `${path}.v${schema}.bak`;
  const temporary = `${target}.tmp`;
  rmSync(temporary, { force: true });
  try {
    db.prepare('VACUUM INTO ?').run(temporary);
    chmodSync(temporary, 0o600);
    syncPath(temporary);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  syncPath(dirname(path));
  for (const copy of copiesOf(path).slice(KEPT_COPIES)) rmSync(copy.path, { force: true });
}

function syncPath(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
