import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { hookSteps } from '../../../test/support/steps/hooks.ts';
import { neverAborts } from '../../base/abort.ts';
import { FsVmFiles } from './fs-vm-files.ts';

let dir: string;
let files: FsVmFiles;
const steps: string[] = [];

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'durable-'));
  files = new FsVmFiles({
    vmsDir: join(dir, 'vms'),
    vmBasesDir: join(dir, 'bases'),
    vmRuntimeDir: join(dir, 'run'),
    knownHostsFile: join(dir, 'ssh', 'known_hosts'),
    loginUsersFile: join(dir, 'ssh', 'users'),
  });
  await hookSteps((what) => void steps.push(what));
});

after(() => rm(dir, { recursive: true }));

test('drives and their names are synced before the drives that they replace are removed', async () => {
  const { dir: own } = await files.create('vm');
  for (const name of ['overlay.qcow2', 'work.qcow2']) await writeFile(join(own, name), 'old');
  const folder = await files.createDriveDir('vm');
  const kept = ['overlay.qcow2', 'work.qcow2'].map((name) => join(folder, name));
  for (const path of kept) await writeFile(path, 'new');
  steps.length = 0;
  await files.sweepDrives('vm', ['/image/rootfs.ext4', ...kept]);
  // Two drives, their folder, and the folder of the VM.
  assert.deepEqual(
    steps.map((step) => step.split(' ')[0]),
    ['sync', 'sync', 'sync', 'sync', 'rm', 'rm'],
  );
  assert.equal((await readdir(own)).filter((name) => name.endsWith('.qcow2')).length, 0);
});

test('nothing is synced when there is nothing to remove', async () => {
  const { dir: own } = await files.create('same');
  await writeFile(join(own, 'work.qcow2'), '');
  steps.length = 0;
  await files.sweepDrives('same', [join(own, 'work.qcow2')]);
  assert.deepEqual(steps, []);
});

test('the sync of drives can be cancelled between two drives', async () => {
  const { dir: own } = await files.create('stop');
  await mkdir(join(own, 'drives-x'));
  const paths = ['a.raw', 'b.raw'].map((name) => join(own, 'drives-x', name));
  for (const path of paths) await writeFile(path, '');
  const stop = new AbortController();
  stop.abort();
  steps.length = 0;
  await assert.rejects(files.syncDrives('stop', paths, { signal: stop.signal }), { name: 'AbortError' });
  assert.equal(steps.length, 0);
  await files.syncDrives('stop', paths, { signal: neverAborts() });
  assert.equal(steps.filter((step) => step.startsWith('sync')).length, 4);
});
