import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStaging, sweepStaging } from './staging.ts';

const options = { removeTree: (dir: string) => rm(dir, { recursive: true, force: true }) };

async function newArea(): Promise<string> {
  return join(await mkdtemp(join(tmpdir(), 'staging-')), 'area');
}

test('disposing removes the folder, its content and its lock', async () => {
  const area = await newArea();
  {
    await using staging = await openStaging(area, options);
    await writeFile(join(staging.dir, 'half'), 'x');
    assert.ok((await readdir(staging.dir)).includes('half'));
  }
  assert.deepEqual(await readdir(area), []);
});

test('a folder is removed even if another process still writes into it for a moment', async () => {
  const area = await newArea();
  let writes = 0;
  const removeTree = async (dir: string): Promise<void> => {
    writes += 1;
    if (writes < 3) throw Object.assign(new Error('not empty'), { code: 'ENOTEMPTY' });
    await options.removeTree(dir);
  };
  const staging = await openStaging(area, { removeTree });
  await staging[Symbol.asyncDispose]();
  assert.deepEqual(await readdir(area), []);
  assert.equal(writes, 3);
});

test('a sweep keeps a folder whose owner is alive', async () => {
  const area = await newArea();
  await using staging = await openStaging(area, options);
  await sweepStaging(area, options);
  assert.deepEqual(await readdir(staging.dir), []);
});

test('a sweep removes the folder of a killed process', async () => {
  const area = await newArea();
  const script = `
    import { writeFileSync } from 'node:fs';
    import { openStaging } from ${JSON.stringify(import.meta.resolve('./staging.ts'))};
    const staging = await openStaging(${JSON.stringify(area)}, { removeTree: async () => {} });
    writeFileSync(staging.dir + '/half', 'x');
    process.kill(process.pid, 'SIGKILL');`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(child.signal, 'SIGKILL', child.stderr.toString());
  assert.ok((await readdir(area)).length >= 2);
  await sweepStaging(area, options);
  assert.deepEqual(await readdir(area), []);
});

test('a sweep removes a folder without a lock file', async () => {
  const area = await newArea();
  await mkdir(join(area, 'orphan'), { recursive: true });
  await sweepStaging(area, options);
  assert.deepEqual(await readdir(area), []);
});

test('a sweep of a missing area does nothing', async () => {
  await sweepStaging(await newArea(), options);
});
