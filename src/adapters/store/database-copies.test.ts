import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, beforeEach, test } from 'node:test';
import { neverAborts } from '../../base/abort.ts';
import { exec } from '../../base/process/exec.ts';
import { copiesOf } from './database-copies.ts';
import { SqliteVmRecords } from './sqlite-vm-records.ts';

let dir: string;
let path: string;
let count = 0;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'copies-'));
});

beforeEach(async () => {
  count += 1;
  path = join(dir, String(count), 'records.sqlite');
  await mkdir(join(dir, String(count)));
});

after(() => rm(dir, { recursive: true }));

test('records are copied once before their schema changes, readable only by this user', async () => {
  makeOld({ names: ['web', 'db'] });
  new SqliteVmRecords(path)[Symbol.dispose]();
  const copy = `${path}.v2.bak`;
  assert.deepEqual(copiesOf(path), [{ path: copy, schema: 2 }]);
  const { mode, mtimeMs } = await stat(copy);
  assert.equal(mode & 0o777, 0o600);
  using db = new DatabaseSync(copy);
  assert.deepEqual(db.prepare('SELECT name FROM vms ORDER BY name').all().map(Object.values), [
    ['db'],
    ['web'],
  ]);
  assert.equal(db.prepare('PRAGMA user_version').get()?.['user_version'], 2);
  new SqliteVmRecords(path)[Symbol.dispose]();
  assert.equal((await stat(copy)).mtimeMs, mtimeMs);
});

test('a new or up-to-date database is not copied', async () => {
  for (const _ of [1, 2]) new SqliteVmRecords(path)[Symbol.dispose]();
  assert.deepEqual(copiesOf(path), []);
});

test('the copies of the three newest schemas are kept', async () => {
  makeOld({ names: ['web'] });
  for (const schema of [0, 1, 11, 5]) await writeFile(`${path}.v${schema}.bak`, '');
  await writeFile(`${path}.vX.bak`, '');
  new SqliteVmRecords(path)[Symbol.dispose]();
  assert.deepEqual(
    copiesOf(path).map(({ schema }) => schema),
    [11, 5, 2],
  );
  assert.ok((await readdir(join(dir, String(count)))).includes('records.sqlite.vX.bak'));
});

test('records of a newer schema are refused and unchanged; the error names the version that wrote them and the newest usable copy', () => {
  makeOld({ names: ['web'] });
  new SqliteVmRecords(path, { version: '7.1.0' })[Symbol.dispose]();
  setSchema(99);
  assert.throws(() => new SqliteVmRecords(path), {
    code: 'STORE_TOO_NEW',
    message: /banger 7\.1\.0 wrote them/,
    hint: `use banger 7.1.0 again, or replace them with the older records "${path}.v2.bak", which lack VMs made since`,
    details: { path, found: 99, known: 4, writer: '7.1.0', copy: `${path}.v2.bak` },
  });
  using db = new DatabaseSync(path);
  assert.equal(db.prepare('PRAGMA user_version').get()?.['user_version'], 99);
});

test('a newer database that does not name the version that wrote it is also refused', () => {
  {
    using db = new DatabaseSync(path);
    db.exec('PRAGMA user_version = 99');
  }
  assert.throws(() => new SqliteVmRecords(path), {
    code: 'STORE_TOO_NEW',
    message: /a newer version of banger wrote them/,
    details: { path, found: 99, known: 4 },
  });
});

test('the recorded version is that of the last banger that opened the database', () => {
  for (const version of ['1.0.0', '1.0.1']) new SqliteVmRecords(path, { version })[Symbol.dispose]();
  setSchema(99);
  assert.throws(() => new SqliteVmRecords(path), { message: /banger 1\.0\.1/ });
});

test('records are not changed when they cannot be copied', {
  skip: process.getuid?.() === 0 ? false : 'only root can mount a file system to fill',
}, async () => {
  const small = join(dir, String(count));
  const signal = neverAborts();
  await exec(['mount', '-t', 'tmpfs', '-o', 'size=6m', 'banger-test', small], { signal });
  try {
    makeOld({ names: Array.from({ length: 200 }, (_, at) => `vm-${at}`), padding: 'x'.repeat(2000) });
    await rm(`${path}.reserve`);
    await assert.rejects(writeFile(join(small, 'filler'), Buffer.alloc(8 * 2 ** 20)), { code: 'ENOSPC' });
    assert.throws(() => new SqliteVmRecords(path), { code: 'HOST_NO_SPACE' });
    assert.deepEqual(copiesOf(path), []);
    await rm(join(small, 'filler'));
    {
      using db = new DatabaseSync(path);
      assert.equal(db.prepare('PRAGMA user_version').get()?.['user_version'], 2);
    }
    using records = new SqliteVmRecords(path);
    assert.equal(records.list().length, 200);
  } finally {
    await exec(['umount', '-l', small], { signal });
  }
});

/** A database of the second schema. */
function makeOld({ names, padding = '' }: { names: string[]; padding?: string }): void {
  {
    using records = new SqliteVmRecords(path);
    for (const name of names) {
      records.insert({
        id: name,
        name,
        state: 'created',
        imageName: padding,
        imageId: 'sha256:1',
        kernelName: 'k',
        shape: { vcpuCount: 1, memoryMib: 128, diskSizeBytes: 1, systemOverlaySizeBytes: 1 },
        network: { mode: 'none' },
        ephemeral: false,
        driverName: 'qemu',
        createdAt: '2026-01-01T00:00:00.000Z',
        updatedAt: '2026-01-01T00:00:00.000Z',
      });
    }
  }
  using db = new DatabaseSync(path);
  db.exec('DROP TABLE banger; PRAGMA user_version = 2');
}

function setSchema(schema: number): void {
  using db = new DatabaseSync(path);
  db.exec(`PRAGMA user_version = ${schema}`);
}
