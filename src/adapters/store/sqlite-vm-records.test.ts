import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, beforeEach, test } from 'node:test';
import { neverAborts } from '../../base/abort.ts';
import { BugError } from '../../base/errors.ts';
import { exec } from '../../base/process/exec.ts';
import type { VmRecord } from '../../core/ports/records.ts';
import { SqliteVmRecords } from './sqlite-vm-records.ts';

let dir: string;
let path: string;
let count = 0;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'records-'));
});

beforeEach(() => {
  count += 1;
  path = join(dir, `${count}.sqlite`);
});

after(() => rm(dir, { recursive: true }));

function record(id: string, fields: Partial<VmRecord> = {}): VmRecord {
  return {
    id,
    name: `vm-${id}`,
    state: 'created',
    imageName: 'debian',
    imageId: 'sha256:1',
    kernelName: 'k',
    shape: { vcpuCount: 1, memoryMib: 128, diskSizeBytes: 1, systemOverlaySizeBytes: 1 },
    network: { mode: 'none' },
    ephemeral: false,
    driverName: 'qemu',
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
    ...fields,
  };
}

test('records are read back unchanged, in the order of their creation, also after a restart', () => {
  const both = [record('b', { lastError: { code: 'X', message: 'ü "\n' } }), record('a')];
  {
    using records = new SqliteVmRecords(path);
    for (const one of both) records.insert(one);
    assert.deepEqual(records.list(), both);
    assert.equal(records.get('c'), undefined);
  }
  using records = new SqliteVmRecords(path);
  assert.deepEqual(records.list(), both);
  assert.deepEqual(records.get('a'), both[1]);
});

test('a name belongs to one VM, and is free again once that VM is deleted', () => {
  using records = new SqliteVmRecords(path);
  records.insert(record('a', { name: 'web' }));
  assert.throws(() => records.insert(record('b', { name: 'web' })), {
    code: 'VM_NAME_TAKEN',
    message: /"web"/,
  });
  assert.deepEqual(
    records.list().map(({ id }) => id),
    ['a'],
  );
  records.delete('a');
  records.delete('a');
  records.insert(record('b', { name: 'web' }));
});

test('an update replaces the whole record and sets its time; an update of a missing record is a bug', () => {
  using records = new SqliteVmRecords(path);
  records.insert(record('a', { lastError: { code: 'X', message: 'x' } }));
  const updated = records.update(record('a', { state: 'running' }));
  assert.ok(updated.updatedAt > '2026-01-01T00:00:00.000Z');
  assert.deepEqual(records.get('a'), updated);
  assert.equal(updated.lastError, undefined);
  assert.throws(() => records.update(record('b')), BugError);
});

test('records of the first version have no network, and those of later versions keep theirs', () => {
  {
    using records = new SqliteVmRecords(path);
    const { network: _, ...older } = record('a');
    records.insert(older as VmRecord);
    records.insert({ ...older, id: 'b', name: 'vm-b', nat: true } as unknown as VmRecord);
  }
  {
    using db = new DatabaseSync(path);
    db.exec('DROP TABLE banger; PRAGMA user_version = 1');
  }
  using records = new SqliteVmRecords(path);
  assert.deepEqual(records.list(), [record('a'), record('b', { network: { mode: 'user' } })]);
});

test('a file that is not a database is STORE_DAMAGED, and stays unchanged', async () => {
  await writeFile(path, 'not a database at all, '.repeat(50));
  assert.throws(() => new SqliteVmRecords(path), { code: 'STORE_DAMAGED' });
  assert.match(await readFile(path, 'utf8'), /^not a database/);
});

test('a database that was truncated, or overwritten in the middle, is STORE_DAMAGED', async () => {
  {
    using records = new SqliteVmRecords(path);
    for (let n = 0; n < 50; n += 1)
      records.insert(record(`id${n}`, { lastError: { code: 'X', message: 'x'.repeat(500) } }));
  }
  const whole = await readFile(path);
  assert.ok(whole.length > 5 * 4096);
  await writeFile(path, Buffer.concat([whole.subarray(0, 8192), Buffer.alloc(whole.length - 8192, 0xaa)]));
  assert.throws(() => new SqliteVmRecords(path), { code: 'STORE_DAMAGED' });
  await writeFile(path, whole);
  await truncate(path, 4096);
  assert.throws(() => new SqliteVmRecords(path), { code: 'STORE_DAMAGED' });
  await writeFile(path, whole);
  using records = new SqliteVmRecords(path);
  assert.equal(records.list().length, 50);
});

test('a folder where no file can be created is an error of the file system, not a damaged store', () => {
  assert.throws(
    () => new SqliteVmRecords(join(dir, 'no', 'such', 'folder')),
    (error) => !(error instanceof Error && 'code' in error && error.code === 'STORE_DAMAGED'),
  );
});

test('closing twice is fine', () => {
  const records = new SqliteVmRecords(path);
  records[Symbol.dispose]();
  records[Symbol.dispose]();
});

test('on a full disk no VM can be created, but existing ones can be changed and deleted', {
  skip: process.getuid?.() === 0 ? false : 'only root can mount a file system to fill',
}, async () => {
  const small = join(dir, 'small');
  await mkdir(small);
  const signal = neverAborts();
  await exec(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'banger-test', small], { signal });
  try {
    const filler = join(small, 'filler');
    {
      using first = new SqliteVmRecords(join(small, 'records.sqlite'));
      first.insert(record('a'));
    }
    await assert.rejects(writeFile(filler, Buffer.alloc(8 * 2 ** 20)), { code: 'ENOSPC' });
    using records = new SqliteVmRecords(join(small, 'records.sqlite'));
    for (let round = 0; round < 100; round += 1) records.update(record('a', { state: 'stopped' }));
    assert.throws(() => records.insert(record('b')), { code: 'HOST_NO_SPACE' });
    assert.deepEqual(
      records.list().map(({ state }) => state),
      ['stopped'],
    );
    records.delete('a');
    await rm(filler);
    records.insert(record('b'));
  } finally {
    await exec(['umount', '-l', small], { signal });
  }
});

test('several records change together or not at all', () => {
  using records = new SqliteVmRecords(path);
  for (const id of ['a', 'b']) records.insert(record(id));
  records.updateAll([record('a', { state: 'running' }), record('b', { state: 'running' })]);
  const states = (): string[] => records.list().map(({ state }) => state);
  assert.deepEqual(states(), ['running', 'running']);
  assert.throws(() => records.updateAll([record('a', { state: 'stopped' }), record('none')]), BugError);
  assert.deepEqual(states(), ['running', 'running']);
});
