import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { isAppError } from '../../base/errors.ts';
import { copyDatabase } from './database-copies.ts';
import { NEWEST_SCHEMA } from './migrations.ts';
import { checkRecords, copyRecords, restoreRecords } from './offline-records.ts';
import { SqliteVmRecords } from './sqlite-vm-records.ts';

describe('records while no daemon of this version serves them', () => {
  let dir: string;
  let path: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'records-'));
    path = join(dir, 'records.sqlite');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  const make = (): void => new SqliteVmRecords(path, { version: 'v0.1.0' })[Symbol.dispose]();

  /** Does what a version with one more migration does. */
  function migrateFurther(): void {
    using db = new DatabaseSync(path);
    db.exec('PRAGMA journal_mode = WAL');
    copyDatabase(db, { path, schema: NEWEST_SCHEMA });
    db.exec(`CREATE TABLE more (x); PRAGMA user_version = ${NEWEST_SCHEMA + 1}`);
    db.exec("UPDATE banger SET value = 'v9.0.0' WHERE key = 'version'");
  }

  test('are compatible when they have this schema, or do not exist', () => {
    assert.deepEqual(checkRecords(path), { outcome: 'compatible', schema: undefined });
    assert.equal(copyRecords(path, join(dir, 'copy')), false);
    make();
    assert.deepEqual(checkRecords(path), { outcome: 'compatible', schema: NEWEST_SCHEMA });
  });

  test('of an older schema would be migrated, and are not by looking', () => {
    make();
    using db = new DatabaseSync(path);
    db.exec('DROP TABLE banger; PRAGMA user_version = 1');
    const pending = Array.from({ length: NEWEST_SCHEMA - 1 }, (_, index) => index + 2);
    assert.deepEqual(checkRecords(path), { outcome: 'migrates', pending });
    assert.equal(db.prepare('PRAGMA user_version').get()?.['user_version'], 1);
  });

  test('of a newer schema are incompatible, and the writer is named', () => {
    make();
    migrateFurther();
    assert.deepEqual(checkRecords(path), {
      outcome: 'incompatible',
      schema: NEWEST_SCHEMA + 1,
      writer: 'v9.0.0',
    });
    assert.throws(
      () => new SqliteVmRecords(path),
      (error) => isAppError(error, 'STORE_TOO_NEW'),
    );
  });

  test('come back from the copy that the newer version has made; the newer ones are kept', () => {
    make();
    assert.equal(restoreRecords(path), undefined, 'nothing to do');
    migrateFurther();
    assert.equal(restoreRecords(path), `${path}.v${NEWEST_SCHEMA}.bak`);
    assert.deepEqual(checkRecords(path), { outcome: 'compatible', schema: NEWEST_SCHEMA });
    make();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.ok(readdirSync(dir).includes(`records.sqlite.v${NEWEST_SCHEMA + 1}.newer`));
    assert.equal(restoreRecords(path), undefined);
  });

  test('without such a copy stay as they are', () => {
    make();
    migrateFurther();
    rmSync(`${path}.v${NEWEST_SCHEMA}.bak`);
    assert.equal(restoreRecords(path), undefined);
    assert.equal(checkRecords(path).outcome, 'incompatible');
  });

  test('are copied as of one moment while a daemon uses them', () => {
    using records = new SqliteVmRecords(path, { version: 'v0.1.0' });
    assert.equal(copyRecords(path, join(dir, 'copy')), true);
    using copy = new SqliteVmRecords(join(dir, 'copy'));
    assert.deepEqual(copy.list(), records.list());
  });
});
