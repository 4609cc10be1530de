import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { SqliteVmRecords } from '../../../src/adapters/store/sqlite-vm-records.ts';
import { resolvePaths } from '../../../src/config/settings.ts';
import { labRecord } from '../../support/daemon-lab.ts';

const BANGERD = join(import.meta.dirname, '../../../dist/bangerd.cjs');

describe('bangerd with an argument', () => {
  let home: string;
  let recordsFile: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'offline-'));
    ({ recordsFile } = resolvePaths({ HOME: home }));
  });
  afterEach(() => rmSync(home, { recursive: true }));

  function bangerd(...words: string[]): { status: number | null; stdout: string; stderr: string } {
    const env = { HOME: home, PATH: process.env['PATH'] };
    return spawnSync(process.execPath, [BANGERD, ...words], { env, encoding: 'utf8' });
  }

  function makeRecords(): void {
    mkdirSync(dirname(recordsFile), { recursive: true, mode: 0o700 });
    using records = new SqliteVmRecords(recordsFile, { version: 'v0.1.0' });
    records.insert(labRecord({ id: 'abcdef0123456789', name: 'web', state: 'suspended' }));
  }

  test('says its version on one line', () => {
    assert.match(bangerd('--version').stdout, /^bangerd \S+ \(commit \S+, built \S+\)\n$/);
  });

  test('refuses an argument that it does not know, and does not serve', () => {
    const { status, stderr } = bangerd('--frobnicate');
    assert.equal(status, 1);
    assert.match(stderr, /Cannot use "--frobnicate": it is none of --version/);
    assert.ok(!existsSync(dirname(recordsFile)));
  });

  test('says whether it can use the records, by text and status', () => {
    assert.deepEqual([bangerd('--check-migrations').status, existsSync(dirname(recordsFile))], [0, false]);
    makeRecords();
    const compatible = bangerd('--check-migrations');
    assert.deepEqual([compatible.status, compatible.stdout], [0, 'compatible: the records have schema 4\n']);
    using db = new DatabaseSync(recordsFile);
    db.exec('DROP TABLE banger; PRAGMA user_version = 2');
    const before = readFileSync(recordsFile);
    const pending = bangerd('--check-migrations');
    assert.equal(pending.status, 1);
    assert.match(pending.stdout, /^migrations needed: pending \[3, 4\] /);
    assert.ok(readFileSync(recordsFile).equals(before), 'nothing was changed');
    db.exec('PRAGMA user_version = 9');
    const newer = bangerd('--check-migrations');
    assert.equal(newer.status, 2);
    assert.match(
      newer.stdout,
      /^incompatible: a newer version of banger wrote the records, with schema 9\n$/,
    );
  });

  test('says that damaged records are incompatible', () => {
    mkdirSync(dirname(recordsFile), { recursive: true, mode: 0o700 });
    writeFileSync(recordsFile, 'x'.repeat(5000));
    const { status, stdout } = bangerd('--check-migrations');
    assert.equal(status, 2);
    assert.match(stdout, /^incompatible: /);
  });

  test('names the saved guests that it could not restore', () => {
    assert.equal(bangerd('--check-saved-guests').stdout, '{"count":0,"unfit":[]}\n');
    makeRecords();
    const { stdout, stderr } = bangerd('--check-saved-guests');
    const found = JSON.parse(stdout) as { count: number; unfit: { name: string; problem: string }[] };
    assert.equal(found.count, 1, stderr);
    assert.equal(found.unfit[0]?.name, 'web (suspended)');
    // This home has no images.
    assert.match(found.unfit[0]?.problem ?? '', /image/i);
  });

  test('has nothing to restore where records can be used', () => {
    assert.equal(bangerd('--restore-records').status, 0);
    makeRecords();
    const { status, stdout } = bangerd('--restore-records');
    assert.deepEqual([status, stdout], [0, 'nothing to restore\n']);
  });
});
