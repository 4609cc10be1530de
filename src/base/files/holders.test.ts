import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { addHolder, hasLiveHolder } from './holders.ts';

test('a thing is held as long as the folder of one of its holders exists', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'holders-'));
  const holders = join(dir, 'thing', 'holders');
  assert.equal(await hasLiveHolder(holders), false);
  const [one, other] = [join(dir, 'one'), join(dir, 'other')];
  await mkdir(one);
  await mkdir(other);
  await addHolder(holders, one);
  await addHolder(holders, relative(process.cwd(), one));
  await addHolder(holders, other);
  assert.equal((await readdir(holders)).length, 2);
  await rm(one, { recursive: true });
  assert.equal(await hasLiveHolder(holders), true);
  assert.equal((await readdir(holders)).length, 1);
  await rm(other, { recursive: true });
  assert.equal(await hasLiveHolder(holders), false);
  await rm(dir, { recursive: true });
});
