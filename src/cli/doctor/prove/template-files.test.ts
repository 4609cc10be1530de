import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../base/abort.ts';
import { digestsOf, filesVerdict } from './template-files.ts';

const options = { signal: neverAborts() };

let dir: string;

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'template-'));
  await writeFile(join(dir, 'memory'), '');
  await truncate(join(dir, 'memory'), 10_000_000);
  await writeFile(join(dir, 'state'), 'state');
});

after(() => rm(dir, { recursive: true }));

test('an unchanged template passes; a changed, new or missing file fails and is named', async () => {
  const first = await digestsOf(dir, options);
  assert.equal(filesVerdict(first, await digestsOf(dir, options)).status, 'pass');
  await appendFile(join(dir, 'state'), '!');
  assert.deepEqual(filesVerdict(first, await digestsOf(dir, options)), {
    name: 'template files',
    status: 'fail',
    message: 'changed: state',
  });
  await writeFile(join(dir, 'more'), '');
  await rm(join(dir, 'memory'));
  assert.equal(filesVerdict(first, await digestsOf(dir, options)).message, 'changed: memory, state, more');
});

test('booted VMs and a missing template prove nothing', async () => {
  const found = await digestsOf(dir, options);
  assert.equal(await digestsOf(join(dir, 'nothing'), options), undefined);
  assert.equal(filesVerdict(undefined, undefined).status, 'warn');
  assert.equal(filesVerdict(found, undefined).status, 'warn');
});
