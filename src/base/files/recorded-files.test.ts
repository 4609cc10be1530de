import assert from 'node:assert/strict';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkRecordedFiles, recordSizes } from './recorded-files.ts';

test('files match their record until one is truncated, replaced by a folder, or deleted', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'recorded-'));
  await writeFile(join(dir, 'a'), 'x'.repeat(5000));
  await writeFile(join(dir, 'b'), 'y');
  const sizes = await recordSizes(dir, ['a', 'b']);
  assert.deepEqual(sizes, { a: 5000, b: 1 });
  const whole = await checkRecordedFiles(dir, sizes);
  assert.equal(whole.problem, undefined);
  assert.ok(whole.diskBytes >= 5001);
  await truncate(join(dir, 'a'), 10);
  assert.match((await checkRecordedFiles(dir, sizes)).problem ?? '', /10 bytes instead of 5000/);
  await rm(join(dir, 'a'));
  assert.match((await checkRecordedFiles(dir, sizes)).problem ?? '', /is missing/);
  await rm(dir, { recursive: true });
});
