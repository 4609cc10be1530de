import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { FAKE_IMAGE, type FakeStores, makeFakeStores } from '../../../test/support/fakes/fake-images.ts';
import { neverAborts } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import type { VmRecord, VmRecords } from '../ports/records.ts';
import { findImage, findKernel } from '../vms/plan/find-image.ts';
import { pullImage } from './add-image.ts';
import { deleteImage } from './delete-image.ts';

let dir: string;
let stores: FakeStores;
let notices: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'images-'));
  stores = await makeFakeStores(join(dir, 'store'), { isBuilt: false });
  notices = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const signal = neverAborts();
const task = () => ({
  signal,
  report: (event: { event: string; message?: string }) => {
    if (event.event === 'notice') notices.push(event.message ?? '');
  },
});
const has = (code: string) => (error: unknown) => isAppError(error, code);

/** Records of VMs that were made from these images, which are named a, b, ... */
function recordsOf(...imageIds: string[]): Pick<VmRecords, 'list'> {
  const names = 'abc';
  return { list: () => imageIds.map((imageId, at) => ({ name: names[at], imageId }) as VmRecord) };
}

test('a missing image is built when there is a recipe, and pulled when its name says where it is', async () => {
  assert.equal((await findImage(stores, FAKE_IMAGE, task())).name, FAKE_IMAGE);
  const pulled = await findImage(stores, 'localhost:5000/x', task());
  assert.equal(pulled.name, 'localhost:5000/x:latest');
  assert.match(notices.join('; '), /building it.*pulling it/);
  notices = [];
  assert.deepEqual(await findImage(stores, 'localhost:5000/x:latest', task()), pulled);
  assert.deepEqual(notices, []);
  for (const name of ['alpine', 'no-such-image', '../x']) {
    await assert.rejects(findImage(stores, name, task()), has('IMAGE_NOT_FOUND'), name);
  }
});

test('a VM boots the chosen kernel, else that of its image, else the default', async () => {
  const image = await findImage(stores, FAKE_IMAGE, task());
  const [kernel] = await stores.kernels.list();
  const of = (chosen?: string, kernelName?: string) => {
    const { kernelName: _own, ...rest } = image;
    const given = { ...rest, ...(kernelName === undefined ? {} : { kernelName }) };
    return findKernel(stores, { image: given, chosen }, task());
  };
  assert.equal((await of(undefined, kernel?.name)).name, kernel?.name);
  assert.equal((await of()).name, kernel?.name);
  await assert.rejects(of('other', kernel?.name), has('KERNEL_NOT_FOUND'));
  await assert.rejects(of(undefined, 'other'), has('KERNEL_NOT_FOUND'));
});

test('nothing is pulled for a kernel that does not exist, or a text that is no reference', async () => {
  await assert.rejects(
    pullImage(stores, { reference: 'alpine', kernel: 'other' }, task()),
    has('KERNEL_NOT_FOUND'),
  );
  await assert.rejects(pullImage(stores, { reference: 'http://x' }, task()), has('IMAGE_REFERENCE_INVALID'));
  assert.deepEqual(await stores.images.list(), []);
  assert.equal(
    (await pullImage(stores, { reference: 'alpine' }, task())).name,
    'docker.io/library/alpine:latest',
  );
});

test('an image is deleted only when no VM uses it, or by force, or when another name keeps it', async () => {
  const { id } = await findImage(stores, 'x.example/a:1', task());
  const world = { images: stores.images, records: { ...recordsOf(id, 'other', id) } as VmRecords };
  await assert.rejects(deleteImage(world, 'x.example/a:1', { force: false, signal }), (error) => {
    assert.ok(isAppError(error, 'IMAGE_IN_USE'));
    assert.match(error.message, /VMs use it: a, c$/);
    return true;
  });
  await deleteImage(world, 'x.example/a:1', { force: true, signal });
  assert.deepEqual(await stores.images.list(), []);
  await findImage(stores, 'x.example/a:1', task());
  const unused = { images: stores.images, records: { ...recordsOf('other') } as VmRecords };
  await deleteImage(unused, 'x.example/a:1', { force: false, signal });
  await assert.rejects(
    deleteImage(unused, 'x.example/a:1', { force: false, signal }),
    has('IMAGE_NOT_FOUND'),
  );
});
