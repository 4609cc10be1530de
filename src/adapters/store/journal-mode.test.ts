import assert from 'node:assert/strict';
import { cpSync, existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, test } from 'node:test';
import { labRecord } from '../../../test/support/daemon-lab.ts';
import { mountFuse, whyNoFuse } from '../../../test/support/fuse.ts';
import { SqliteVmRecords } from './sqlite-vm-records.ts';

const skip = whyNoFuse();

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'journal-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

function modeOf(path: string): unknown {
  const db = new DatabaseSync(path);
  try {
    return db.prepare('PRAGMA journal_mode').get()?.['journal_mode'];
  } finally {
    db.close();
  }
}

test('records use a write-ahead log on a file system with shared memory', () => {
  const path = join(dir, 'records.sqlite');
  new SqliteVmRecords(path)[Symbol.dispose]();
  assert.equal(modeOf(path), 'wal');
});

test('records use no write-ahead log where files cannot share memory, also those that had one', {
  skip,
}, async () => {
  const [under, path] = [join(dir, 'u'), join(dir, 'm')];
  const record = labRecord({ id: '0123456789ab', state: 'stopped' });
  {
    await using mount = await mountFuse({ under, path });
    using records = new SqliteVmRecords(join(mount.path, 'records.sqlite'));
    records.insert(record);
    // It is still open, so its log exists.
    assert.ok(existsSync(join(under, 'records.sqlite-wal')));
    cpSync(under, join(dir, 'copy'), { recursive: true });
  }
  await using mount = await mountFuse({ under: join(dir, 'copy'), path: join(dir, 'm2') }, [
    '-o',
    'direct_io',
  ]);
  const database = join(mount.path, 'records.sqlite');
  {
    using records = new SqliteVmRecords(database);
    assert.deepEqual(
      records.list().map(({ id }) => id),
      [record.id],
    );
    records.update({ ...record, name: 'renamed' });
    using other = new SqliteVmRecords(database);
    assert.equal(other.get(record.id)?.name, 'renamed');
  }
  // The rollback journal mode is not stored in the file, so a new connection has the default mode.
  assert.equal(modeOf(database), 'delete');
});

test('a database that cannot be opened is an error that names its folder', () => {
  const path = join(dir, 'none', 'records.sqlite');
  assert.throws(() => new SqliteVmRecords(path), {
    code: 'STORE_UNUSABLE',
    message: new RegExp(`"${join(dir, 'none')}"`),
  });
});
