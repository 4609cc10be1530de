import { randomBytes } from 'node:crypto';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError, invariant, isErrno } from '../../base/errors.ts';
import { isFullDatabase, noSpace, type SpaceRequest } from '../../base/files/no-space.ts';
import type { DamagedRecord, VmRecord, VmRecords } from '../../core/ports/records.ts';
import { vmNameTaken } from '../../core/rules/vm-name-taken.ts';
import { copiesOf } from './database-copies.ts';
import { openJournaled } from './journal-mode.ts';
import { migrate } from './migrations.ts';
import { parseVmRecord } from './vm-record-schema.ts';

/** SQLite's extended result code SQLITE_CONSTRAINT_UNIQUE. */
const CONSTRAINT_UNIQUE = 2067;

/** SQLite's result codes SQLITE_CORRUPT and SQLITE_NOTADB. */
const DAMAGED = [11, 26];

/**
 * SQLITE_PERM, SQLITE_READONLY, SQLITE_IOERR, SQLITE_CANTOPEN, SQLITE_PROTOCOL and SQLITE_NOLFS, each with
 * its extended codes.
 */
const UNUSABLE = [3, 8, 10, 14, 15, 22];

/** Enough for several hundred changes of records, in `bytes`. */
const RESERVE_BYTES = 2 ** 20;

/**
 * VM records in one SQLite file (`journal-mode.ts`; synchronous FULL: when a call has returned, its change
 * survives a power cut). The file `<path>.reserve` beside it only occupies space. On a full disk it is given
 * up, so that the records can still be corrected after failures. New VMs need it.
 */
export class SqliteVmRecords implements VmRecords, Disposable {
  readonly #db: DatabaseSync;
  readonly #reservePath: string;
  /** texts of records that were found valid, by VM id */
  readonly #whole = new Map<string, string>();

  /**
   * Opens `path`, creates it when it is missing, and updates its schema, after copying it
   * (`database-copies.ts`). `version` is the calling banger's; it is stored for versions that are too old to
   * read the database.
   *
   * @throws {AppError} STORE_DAMAGED when it is not a database; STORE_TOO_NEW; HOST_NO_SPACE when it cannot
   * be copied.
   */
  constructor(path: string, { version = 'dev' }: { version?: string } = {}) {
    this.#reservePath = `${path}.reserve`;
    const db = this.#open(path);
    this.#db = db;
    try {
      const [finding] = Object.values(db.prepare('PRAGMA quick_check(1)').get() ?? {});
      if (finding !== 'ok') throw damaged(path, String(finding));
      this.#write(() => migrate(db, path, { version }));
    } catch (error) {
      db.close();
      throw openFailure(error, path);
    }
    this.#hasReserve();
  }

  list(): VmRecord[] {
    return this.#rows().flatMap((row) => this.#parse(row) ?? []);
  }

  get(id: string): VmRecord | undefined {
    const row = this.#db.prepare('SELECT id, name, record FROM vms WHERE id = ?').get(id);
    return row && this.#parse(row);
  }

  damaged(): DamagedRecord[] {
    return this.#rows().flatMap((row) => this.#damageOf(row) ?? []);
  }

  insert(record: VmRecord): void {
    if (!this.#hasReserve()) throw noSpace(this.#place, {});
    refuseTakenName(record.name, () =>
      this.#write(() =>
        this.#db
          .prepare('INSERT INTO vms (id, name, record) VALUES (?, ?, ?)')
          .run(record.id, record.name, JSON.stringify(record)),
      ),
    );
  }

  update(record: VmRecord): VmRecord {
    return this.#write(() => this.#replace(record));
  }

  updateAll(records: readonly VmRecord[]): VmRecord[] {
    return this.#write(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const stamped = records.map((record) => this.#replace(record));
        this.#db.exec('COMMIT');
        return stamped;
      } catch (error) {
        // A full database has already rolled back.
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw error;
      }
    });
  }

  delete(id: string): void {
    this.#write(() => this.#db.prepare('DELETE FROM vms WHERE id = ?').run(id));
    this.#whole.delete(id);
  }

  /** Closes the database. Idempotent. */
  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close();
  }

  #open(path: string): DatabaseSync {
    const open = (): DatabaseSync =>
      new DatabaseSync(path, { timeout: 5_000, enableForeignKeyConstraints: true });
    try {
      return openJournaled(path, { open, attempt: (step) => this.#write(step) });
    } catch (error) {
      throw openFailure(error, path);
    }
  }

  #rows(): Record<string, unknown>[] {
    return this.#db.prepare('SELECT id, name, record FROM vms ORDER BY rowid').all();
  }

  #parse(row: Record<string, unknown>): VmRecord | undefined {
    return this.#damageOf(row) ? undefined : (JSON.parse(String(row['record'])) as VmRecord);
  }

  /**
   * What is wrong with a row. Results are cached, because checking takes longer than parsing, and rows are
   * read far more often than they change.
   */
  #damageOf(row: Record<string, unknown>): DamagedRecord | undefined {
    const [id, name, text] = [String(row['id']), String(row['name']), String(row['record'])];
    if (this.#whole.get(id) === text) return undefined;
    const problem = problemOf({ id, name, text });
    if (problem !== undefined) return { id, name, problem };
    this.#whole.set(id, text);
    return undefined;
  }

  #replace(record: VmRecord): VmRecord {
    const stamped = { ...record, updatedAt: new Date().toISOString() };
    const { changes } = refuseTakenName(record.name, () =>
      this.#db
        .prepare('UPDATE vms SET name = ?, record = ? WHERE id = ?')
        .run(record.name, JSON.stringify(stamped), record.id),
    );
    invariant(Number(changes) === 1, `no record of the VM ${record.id} to update`);
    return stamped;
  }

  /** Writes, using the space of the reserve if necessary. */
  #write<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      if (!isFullDatabase(error)) throw error;
      rmSync(this.#reservePath, { force: true });
    }
    try {
      return write();
    } catch (error) {
      throw isFullDatabase(error) ? noSpace(this.#place, { cause: error }) : error;
    }
  }

  /** Returns whether there is a reserve; tries to create a missing one. */
  #hasReserve(): boolean {
    if (statSync(this.#reservePath, { throwIfNoEntry: false })?.size === RESERVE_BYTES) return true;
    try {
      // Random bytes, because file systems that compress would store nothing for zeros.
      writeFileSync(this.#reservePath, randomBytes(RESERVE_BYTES), { mode: 0o600 });
      return true;
    } catch (error) {
      if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw error;
      rmSync(this.#reservePath, { force: true });
      return false;
    }
  }

  get #place(): SpaceRequest {
    return { what: 'a record', dir: dirname(this.#reservePath) };
  }
}

function refuseTakenName<T>(name: string, write: () => T): T {
  try {
    return write();
  } catch (error) {
    if (!hasCode(error, [CONSTRAINT_UNIQUE])) throw error;
    throw vmNameTaken(name);
  }
}

/** Turns the failure to open a database into an error for the user. */
function openFailure(error: unknown, path: string): unknown {
  if (hasCode(error, DAMAGED)) return damaged(path, error);
  if (!isErrno(error, 'ERR_SQLITE_ERROR', 'ENOENT', 'ENOTDIR') || isFullDatabase(error)) return error;
  if (isErrno(error, 'ERR_SQLITE_ERROR') && !hasFamily(error, UNUSABLE)) return error;
  return new AppError(
    'STORE_UNUSABLE',
    `Cannot use the records "${path}": the folder "${dirname(path)}" cannot be read, written or locked as a database requires`,
    {
      hint: 'check its permissions and its disk; banger doctor says which file system it is on',
      details: { path },
      cause: error,
    },
  );
}

function damaged(path: string, cause: unknown): AppError {
  const copies = copiesOf(path).map((copy) => copy.path);
  const backup = copies.length > 0 ? `a backup in its place (${copies.join(', ')})` : 'a backup in its place';
  return new AppError(
    'STORE_DAMAGED',
    `Cannot open the records "${path}": it is not a valid SQLite database`,
    {
      hint: `put ${backup}, or move it away, which makes banger forget all existing VMs`,
      details: { path, copies },
      cause,
    },
  );
}

/**
 * What is wrong with a record. The database itself relies on the other columns, so they must match the
 * record.
 */
function problemOf({ id, name, text }: { id: string; name: string; text: string }): string | undefined {
  const parsed = parseVmRecord(text);
  if ('problem' in parsed) return parsed.problem;
  const { record } = parsed;
  return record.id === id && record.name === name ? undefined : 'it belongs to another VM';
}

function hasCode(error: unknown, codes: readonly number[]): boolean {
  return isErrno(error, 'ERR_SQLITE_ERROR') && 'errcode' in error && codes.includes(Number(error.errcode));
}

function hasFamily(error: Error, families: readonly number[]): boolean {
  return 'errcode' in error && families.includes(Number(error.errcode) & 0xff);
}
