import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { FAKE_IMAGE, type FakeStores, makeFakeStores } from '../../../test/support/fakes/fake-images.ts';
import { neverAborts } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import type { Platform } from '../../protocol/image/platform.ts';
import type { StoredImage } from '../ports/images/stored-image.ts';
import type { VmRecord, VmRecords } from '../ports/records.ts';
import { findImage, findKernel, wantedImage } from '../vms/plan/find-image.ts';
import { addImage, buildImage, pullImage } from './add-image.ts';
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
const find = (name: string, platform?: Platform): Promise<StoredImage> =>
  findImage(stores, wantedImage(stores.images, name, platform), task());
const has = (code: string) => (error: unknown) => isAppError(error, code);

/** Records of VMs that were made from these images, which are named a, b, ... */
function recordsOf(...imageIds: string[]): Pick<VmRecords, 'list'> {
  const names = 'abc';
  return { list: () => imageIds.map((imageId, at) => ({ name: names[at], imageId }) as VmRecord) };
}

test('a missing image is built when there is a recipe, and pulled when its name says where it is', async () => {
  assert.equal((await find(FAKE_IMAGE)).name, FAKE_IMAGE);
  const pulled = await find('localhost:5000/x');
  assert.equal(pulled.name, 'localhost:5000/x:latest');
  assert.match(notices.join('; '), /building it.*pulling it/);
  notices = [];
  assert.deepEqual(await find('localhost:5000/x:latest'), pulled);
  assert.deepEqual(notices, []);
  for (const name of ['alpine', 'no-such-image', '../x']) {
    await assert.rejects(find(name), has('IMAGE_NOT_FOUND'), name);
  }
});

test('a VM boots the chosen kernel, else that of its image, else the default', async () => {
  const image = await find(FAKE_IMAGE);
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

test('an image of another platform has a name of its own, which also says the platform', async () => {
  const own = await find('localhost:5000/x');
  const foreign = await find('localhost:5000/x', 'linux/arm64');
  assert.deepEqual([own.arch, own.name], ['amd64', 'localhost:5000/x:latest']);
  assert.deepEqual([foreign.arch, foreign.name], ['arm64', 'localhost:5000/x:latest+arm64']);
  assert.notEqual(foreign.id, own.id);
  assert.deepEqual(await find('localhost:5000/x+arm64'), foreign);
  assert.deepEqual(await find('localhost:5000/x+arm64', 'linux/amd64'), own);
  assert.deepEqual(await find('localhost:5000/x:latest', 'linux/amd64'), own);
  assert.equal((await find('localhost:5000/y+arm64')).arch, 'arm64');
  const origin = { kind: 'archive', format: 'rootfs', path: '/x.tar' } as const;
  const added = await addImage(stores, { name: 'tools', platform: 'linux/arm64', origin }, task());
  assert.equal(added.name, 'tools+arm64');
  assert.deepEqual(await find('tools', 'linux/arm64'), added);
  await assert.rejects(find('tools'), has('IMAGE_NOT_FOUND'));
});

test('a VM of another platform boots the default kernel of that, and none of this host', async () => {
  const image = await find('localhost:5000/x', 'linux/arm64');
  assert.equal((await findKernel(stores, { image, chosen: undefined }, task())).arch, 'arm64');
  const [own] = await stores.kernels.list();
  await assert.rejects(
    findKernel(stores, { image, chosen: own?.name }, task()),
    has('KERNEL_PLATFORM_DIFFERS'),
  );
  const request = {
    reference: 'localhost:5000/x',
    platform: 'linux/arm64',
    kernel: own?.name ?? '',
  } as const;
  await assert.rejects(pullImage(stores, request, task()), has('KERNEL_PLATFORM_DIFFERS'));
});

test('an image is built only for the platform of this host', async () => {
  const foreign = { ...task(), platform: 'linux/arm64' } as const;
  await assert.rejects(buildImage(stores, FAKE_IMAGE, foreign), has('IMAGE_PLATFORM_UNSUPPORTED'));
  await assert.rejects(find(FAKE_IMAGE, 'linux/arm64'), has('IMAGE_PLATFORM_UNSUPPORTED'));
  assert.equal((await buildImage(stores, FAKE_IMAGE, { ...task(), platform: 'linux/amd64' })).arch, 'amd64');
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
  const { id } = await find('x.example/a:1');
  const world = { images: stores.images, records: { ...recordsOf(id, 'other', id) } as VmRecords };
  await assert.rejects(deleteImage(world, 'x.example/a:1', { force: false, signal }), (error) => {
    assert.ok(isAppError(error, 'IMAGE_IN_USE'));
    assert.match(error.message, /VMs use it: a, c$/);
    return true;
  });
  await deleteImage(world, 'x.example/a:1', { force: true, signal });
  assert.deepEqual(await stores.images.list(), []);
  await find('x.example/a:1');
  const unused = { images: stores.images, records: { ...recordsOf('other') } as VmRecords };
  await deleteImage(unused, 'x.example/a:1', { force: false, signal });
  await assert.rejects(
    deleteImage(unused, 'x.example/a:1', { force: false, signal }),
    has('IMAGE_NOT_FOUND'),
  );
});
