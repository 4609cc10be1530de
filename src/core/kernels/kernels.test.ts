import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import {
  FAKE_IMAGE,
  type FakeStores,
  FOREIGN_KERNEL,
  makeFakeStores,
} from '../../../test/support/fakes/fake-images.ts';
import { neverAborts } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import { addImage } from '../images/add-image.ts';
import type { VmRecord, VmRecords } from '../ports/records.ts';
import { availableKernels, deleteKernel, importKernel, pullKernel } from './kernels.ts';

let dir: string;
let stores: FakeStores;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kernels-'));
  stores = await makeFakeStores(join(dir, 'store'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const task = { signal: neverAborts(), report: () => {} };

/** Records of VMs that boot these kernels, which are named a, b, ... */
function recordsOf(...kernelNames: string[]): Pick<VmRecords, 'list'> {
  const names = 'abc';
  return { list: () => kernelNames.map((kernelName, at) => ({ name: names[at], kernelName }) as VmRecord) };
}

function remove(name: string, ...used: string[]): Promise<void> {
  const world = { ...stores, records: recordsOf(...used) as VmRecords };
  return deleteKernel(world, name, task);
}

test('the kernel of a platform is pulled, and then the catalog says so', async () => {
  const pulled = async () =>
    (await availableKernels(stores, task)).filter(({ isPulled }) => isPulled).map(({ name }) => name);
  const [own] = await stores.kernels.list();
  assert.deepEqual(await pulled(), [own?.name]);
  assert.equal((await pullKernel(stores, {}, task)).name, own?.name);
  const foreign = await pullKernel(stores, { platform: 'linux/arm64' }, task);
  assert.deepEqual([foreign.name, foreign.arch, foreign.isKept], [FOREIGN_KERNEL, 'arm64', true]);
  assert.deepEqual(await pulled(), [own?.name, foreign.name]);
});

test('a kernel that an image or a VM boots is not deleted, and the error names them', async () => {
  const origin = { kind: 'archive', format: 'dir', path: '/x' } as const;
  await importKernel(stores, { name: 'mine', path: '/vmlinuz' }, task);
  await addImage(stores, { name: 'tools', kernel: 'mine', origin }, task);
  await assert.rejects(remove('mine'), (error) => {
    assert.ok(isAppError(error, 'KERNEL_IN_USE'));
    assert.match(error.message, /used by image "tools"$/);
    return true;
  });
  await stores.images.delete('tools', task);
  await assert.rejects(remove('mine', 'mine', 'other'), /used by vm "a"$/);
  await remove('mine', 'other');
  await assert.rejects(remove('mine'), (error) => isAppError(error, 'KERNEL_NOT_FOUND'));
  const { kernelName = '' } = await stores.images.get(FAKE_IMAGE);
  await assert.rejects(remove(kernelName), /image "debian-bookworm"/);
});
