import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fakeBuildTools } from '../../../../test/support/fakes/fake-build-tools.ts';
import { fakeOci } from '../../../../test/support/fakes/fake-oci.ts';
import { testImageStore } from '../../../../test/support/images/image-store.ts';
import { neverAborts, poll } from '../../../base/abort.ts';

const signal = neverAborts();

test('the lock of a name exists only while its image is made; list() removes what a killed build has left', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'build-lock-'));
  const tools = await fakeBuildTools(dir);
  const store = testImageStore({ dir, tools, oci: await fakeOci(dir) });
  const imagesDir = join(dir, 'images');
  const locks = async () => (await readdir(imagesDir)).filter((name) => name.startsWith('.build-'));
  await writeFile(join(tools.dir, 'wait'), '');
  const building = store.build('small', { force: false, report: () => {}, signal });
  const started = async () => ((await tools.runs()) === 1 ? true : undefined);
  await poll(started, { everyMs: 10, deadlineMs: 55_000, what: 'mmdebstrap', signal });
  await writeFile(join(imagesDir, '.build-left.lock'), '');
  await store.list();
  assert.deepEqual(await locks(), ['.build-small.lock']);
  await rm(join(tools.dir, 'wait'));
  await building;
  assert.deepEqual(await locks(), []);
  await rm(dir, { recursive: true });
});
