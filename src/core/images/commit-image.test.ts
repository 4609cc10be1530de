import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { FAKE_IMAGE_ID, type FakeStores, makeFakeStores } from '../../../test/support/fakes/fake-images.ts';
import { neverAborts } from '../../base/abort.ts';
import { isAppError } from '../../base/errors.ts';
import type { VmState } from '../../protocol/vm.ts';
import type { NewImage } from '../ports/images/image-store.ts';
import type { DriveSpec } from '../ports/vmm/spec.ts';
import { VmLocks } from '../vms/vm-locks.ts';
import { type CommitWorld, commitImage } from './commit-image.ts';

let dir: string;
let stores: FakeStores;
let calls: string[];
let requests: NewImage[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'commit-'));
  stores = await makeFakeStores(join(dir, 'store'));
  calls = [];
  requests = [];
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const task = { signal: neverAborts(), report: () => {} };
const OVERLAY: DriveSpec = {
  serial: 'overlay',
  pathOnHost: '/vms/web/overlay.qcow2',
  format: 'qcow2',
  isReadOnly: false,
  sizeBytes: 2 ** 26,
};

/** A world with one VM, whose calls are noted. Its image store reads the overlay as a real one does. */
function worldWith(state: VmState, drives: readonly DriveSpec[] = [OVERLAY]): CommitWorld {
  const record = {
    id: 'aa',
    name: 'web',
    driverName: 'fake',
    state,
    imageName: 'own',
    imageId: FAKE_IMAGE_ID,
    drives,
  };
  const note =
    (what: string) =>
    async (...[first]: unknown[]): Promise<never> => {
      const path = (first as { pathOnHost?: string } | undefined)?.pathOnHost;
      calls.push(path === undefined ? what : `${what} ${path}`);
      return undefined as never;
    };
  const world = {
    records: { list: () => [record], damaged: () => [] },
    locks: new VmLocks({ nameOf: () => 'web' }),
    live: {
      get: () => ({
        copyDrives: async ({ drives: [copy] }: { drives: DriveSpec[] }) =>
          void calls.push(`copy ${copy?.pathOnHost}`),
      }),
      agent: async () => ({
        health: async () => ({ generation: 1, version: '1' }),
        sync: async () => void calls.push('sync'),
      }),
    },
    files: {
      allocatedBytes: async () => 1,
      requireSpace: note('space'),
      openCapture: async () => ({ dir: '/copy', [Symbol.asyncDispose]: note('remove the copy') }),
    },
    drivers: [{ name: 'fake', readDrive: note('read') }],
    hostUser: {
      content: async () => ({
        files: [
          { path: '/opt/token', mode: 0o600, content: Buffer.alloc(0) },
          { path: '/opt/folder', mode: 0o700, content: Buffer.alloc(0), how: 'folder' },
        ],
      }),
    },
    images: {
      ...stores.images,
      add: async (name: string, request: NewImage, options: typeof task) => {
        requests.push(request);
        await request.root?.readOverlay('/target', options);
        return await stores.images.add(name, request, options);
      },
    },
    log: { warn: () => {} },
  };
  return world as unknown as CommitWorld;
}

test('the drive of a VM that does not run is read as it is', async () => {
  for (const state of ['stopped', 'suspended', 'created', 'error'] as const) {
    calls = [];
    await commitImage(worldWith(state), { vm: 'web', name: 'tools', force: true }, task);
    assert.deepEqual(calls, ['space', 'read /vms/web/overlay.qcow2'], state);
  }
  const [request] = requests;
  assert.equal(request?.origin.kind === 'commit' && request.origin.vm, 'web');
  assert.equal(request?.root?.base.name, 'own');
  assert.deepEqual(request?.root?.hostFiles, ['/opt/token']);
  assert.equal(request?.kernelName, 'fake-kernel');
});

test('a guest that runs writes its data first, and a copy of its drive is read', async () => {
  await commitImage(worldWith('running'), { vm: 'web', name: 'tools' }, task);
  assert.deepEqual(calls, [
    'space',
    'sync',
    'copy /copy/overlay.qcow2',
    'read /copy/overlay.qcow2',
    'remove the copy',
  ]);
});

test('a VM that changes now, or has no drives, is refused before anything is made', async () => {
  const refused = async (state: VmState, drives: readonly DriveSpec[], code: string): Promise<void> => {
    const begun = commitImage(worldWith(state, drives), { vm: 'web', name: 'tools' }, task);
    await assert.rejects(begun, (error) => isAppError(error, code), state);
  };
  for (const state of ['creating', 'starting', 'stopping', 'suspending', 'resuming', 'deleting'] as const) {
    await refused(state, [OVERLAY], 'VM_BUSY');
  }
  await refused('error', [], 'VM_HAS_NO_DRIVES');
  assert.deepEqual([calls, requests], [[], []]);
  await assert.rejects(commitImage(worldWith('stopped'), { vm: 'other', name: 'tools' }, task), (error) =>
    isAppError(error, 'VM_NOT_FOUND'),
  );
});

test('the name of another image is only taken over with force', async () => {
  const world = worldWith('stopped');
  const { arch } = stores.images;
  const origin = { kind: 'file', path: '/tools.ext4' } as const;
  await stores.images.add('tools', { arch, origin, force: false }, task);
  await assert.rejects(commitImage(world, { vm: 'web', name: 'tools' }, task), (error) =>
    isAppError(error, 'IMAGE_EXISTS'),
  );
  await commitImage(world, { vm: 'web', name: 'tools', force: true }, task);
  const { provenance } = await stores.images.get('tools');
  assert.equal(provenance.origin.kind, 'commit');
});
