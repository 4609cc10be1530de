import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { VmRecord } from '../../core/ports/records.ts';
import { SqliteVmRecords } from './sqlite-vm-records.ts';

let dir: string;
let path: string;

const WEB: VmRecord = {
  id: 'web-id',
  name: 'web',
  state: 'running',
  imageName: 'debian',
  imageId: 'sha256:1',
  kernelName: 'k',
  shape: { vcpuCount: 1, memoryMib: 128, diskSizeBytes: 1, systemOverlaySizeBytes: 1 },
  network: { mode: 'none' },
  ephemeral: false,
  driverName: 'qemu',
  drives: [
    { serial: 'work', pathOnHost: '/vms/work.qcow2', format: 'qcow2', isReadOnly: false, sizeBytes: 1 },
  ],
  runtime: { vmm: { pid: 1, startTicks: 2 }, accelerator: 'tcg', startedAt: '2026-01-01T00:00:00.000Z' },
  workspace: { guestPath: '/root/repo', sourcePath: '/repo', headCommit: 'c0ffee' },
  unsyncedIn: 'boot',
  lastError: { code: 'X', message: 'x' },
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
};
const OTHER: VmRecord = { ...WEB, id: 'other-id', name: 'other' };

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'damaged-'));
  path = join(dir, 'records.sqlite');
  using records = new SqliteVmRecords(path);
  for (const record of [WEB, OTHER]) records.insert(record);
});

after(() => rm(dir, { recursive: true }));

test('any JSON in place of a record is reported with the name of its VM, hides no other record, and stays unchanged', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 3 }), (text) => {
      write(text);
      using records = new SqliteVmRecords(path);
      assert.deepEqual(
        records.list().map(({ name }) => name),
        [OTHER.name],
      );
      assert.equal(records.get(WEB.id), undefined);
      const [damaged, ...more] = records.damaged();
      assert.deepEqual([damaged?.id, damaged?.name, more], [WEB.id, WEB.name, []]);
      records.update({ ...OTHER, ephemeral: true });
      records.update(OTHER);
      assert.equal(read(), text);
    }),
    { examples: [['null'], ['[]'], ['{}'], ['""'], ['{"__proto__":{"id":"web-id"}}']] },
  );
  restore();
});

test('a record with any one field missing or of another type is damaged, and the field is named', () => {
  const isOptional = ['drives', 'runtime', 'workspace', 'unsyncedIn', 'lastError'];
  for (const field of Object.keys(WEB)) {
    for (const value of [undefined, null, 7, 'text', [7], { a: 7 }]) {
      if (value === undefined && isOptional.includes(field)) continue;
      // A field that accepts any text also accepts another text.
      if (typeof value === 'string' && typeof Reflect.get(WEB, field) === 'string') continue;
      write(JSON.stringify({ ...WEB, [field]: value }));
      using records = new SqliteVmRecords(path);
      assert.match(records.damaged()[0]?.problem ?? '', new RegExp(`"${field}[".]`), JSON.stringify(value));
    }
  }
  restore();
});

test('fields that a newer version has added to a record are kept when the record changes', () => {
  write(JSON.stringify({ ...WEB, later: { x: 1 } }));
  {
    using records = new SqliteVmRecords(path);
    const found = records.get(WEB.id);
    assert.ok(found);
    records.update({ ...found, state: 'stopped' });
  }
  assert.deepEqual((JSON.parse(read()) as Record<string, unknown>)['later'], { x: 1 });
  restore();
});

test('a record with the id of another VM is damaged, and a damaged record can be deleted', () => {
  write(JSON.stringify({ ...WEB, id: 'another' }));
  using records = new SqliteVmRecords(path);
  assert.deepEqual(records.damaged(), [{ id: WEB.id, name: WEB.name, problem: 'it belongs to another VM' }]);
  records.delete(WEB.id);
  assert.deepEqual([records.damaged(), records.list()], [[], [records.get(OTHER.id)]]);
});

function write(text: string): void {
  using db = new DatabaseSync(path);
  db.prepare('UPDATE vms SET record = ? WHERE id = ?').run(text, WEB.id);
}

function read(): string {
  using db = new DatabaseSync(path);
  return String(db.prepare('SELECT record FROM vms WHERE id = ?').get(WEB.id)?.['record']);
}

function restore(): void {
  write(JSON.stringify(WEB));
}
