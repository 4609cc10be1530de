import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { readKept } from '../../../src/adapters/workspace/sent/kept-tree.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import type { UsableBase, WorkDiskBases } from '../../../src/core/ports/work-disk-bases.ts';
import { deleteVm } from '../../../src/core/vms/lifecycle/delete-vm.ts';
import type { VmWorld } from '../../../src/core/vms/world.ts';
import type { Vm } from '../../../src/protocol/vm.ts';
import { resultOf } from '../../../src/sdk/work.ts';
import { makeScratch, put, type Scratch } from '../../helpers/scratch-repository.ts';
import { commitAll } from '../../helpers/submodules.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';

const signal = neverAborts();

let lab: DaemonLab;
let world: VmWorld;
let bases: WorkDiskBases;
let scratch: Scratch;
let root: string;

before(async () => {
  lab = await openDaemonLab();
  await lab.start({
    onWorld: (made) => {
      world = made;
    },
  });
  bases = world.bases;
  scratch = makeScratch();
});
beforeEach(async (context) => {
  root = scratch.init(`repo-${context.name.length}`);
  put(root, 'file', 'first\n');
  commitAll(scratch, root, 'first');
});
afterEach(async () => {
  world.bases = bases;
  for (const { id } of world.records.list()) await deleteVm(world, id);
});
after(async () => {
  await lab[Symbol.asyncDispose]();
  scratch[Symbol.dispose]();
});

/** Makes a VM from the working tree, as `vm run` does. */
async function create(name: string): Promise<Vm> {
  await using pack = await lab.client.packWorkspace({ path: root }, { signal });
  return await resultOf(lab.client.createVm({ name, packId: pack.value.packId }, { signal }));
}

/** Changes what starts get from the store of bases. */
function withUse(change: (base: UsableBase) => UsableBase): void {
  world.bases = {
    ...methodsOf(bases),
    use: async (request, options) => {
      const base = await bases.use(request, options);
      return base && change(base);
    },
  };
}

function methodsOf({ ofTree, use, make, list, prune, sweep }: WorkDiskBases): WorkDiskBases {
  return { ofTree, use, make, list, prune, sweep };
}

test('starts of one repository at once make one base image, and all have it', async () => {
  let makings = 0;
  world.bases = {
    ...methodsOf(bases),
    make: async (...args) => {
      makings += 1;
      await bases.make(...args);
    },
  };
  const vms = await Promise.all(['a', 'b', 'c'].map(create));
  assert.equal(makings, 1);
  const inodes = vms.map(({ id }) => statSync(world.records.get(id)?.workBase?.pathOnHost ?? '').ino);
  assert.equal(new Set(inodes).size, 1);
  for (const { id } of vms) assert.equal(world.records.get(id)?.workspace?.sourcePath, root);
});

test('a start that began before its base image was made again has the disk and the tree of the first', async () => {
  const first = await create('first');
  const { promise: isHeld, resolve: onHeld } = Promise.withResolvers<void>();
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { addBase } = world.drivers[0];
  world.drivers = [
    {
      ...world.drivers[0],
      addBase: async (...args) => {
        onHeld();
        await gate;
        return await addBase(...args);
      },
    },
  ];
  try {
    const beginning = create('second');
    await isHeld;
    world.drivers = [{ ...world.drivers[0], addBase }];
    put(root, 'file', 'edited\n');
    const third = await create('third');
    open();
    const second = await beginning;
    const [a, b, c] = [first, second, third].map(({ id }) => world.records.get(id) ?? assert.fail());
    const inode = (path = ''): number => statSync(path).ino;
    assert.equal(inode(b?.workBase?.pathOnHost), inode(a?.workBase?.pathOnHost));
    assert.notEqual(inode(c?.workBase?.pathOnHost), inode(a?.workBase?.pathOnHost));
    assert.equal(b?.workspace?.sentCommit, a?.workspace?.sentCommit);
    const { sentTreeDir } = world.files.folders(second.id);
    assert.equal((await readKept(sentTreeDir))?.commit, a?.workspace?.sentCommit);
  } finally {
    world.drivers = [{ ...world.drivers[0], addBase }];
  }
});

test('a start whose repository has other settings than its base image makes it again', async () => {
  const inodes: number[] = [];
  for (const name of ['a', 'b', 'c']) {
    if (name === 'c') scratch.git(root, 'config', 'remote.origin.url', 'https://example.com/x');
    const { id } = await create(name);
    inodes.push(statSync(world.records.get(id)?.workBase?.pathOnHost ?? '').ino);
  }
  const [first, same, other] = inodes;
  assert.equal(same, first);
  assert.notEqual(other, first);
});

test('a VM whose base image another daemon removes meanwhile starts without it', async () => {
  await create('before');
  const { addBase } = world.drivers[0];
  world.drivers = [
    {
      ...world.drivers[0],
      addBase: async (request, options) => {
        rmSync(dirname(request.file), { recursive: true });
        return await addBase(request, options);
      },
    },
  ];
  const { id } = await create('web').finally(() => {
    world.drivers = [{ ...world.drivers[0], addBase }];
  });
  const record = world.records.get(id);
  assert.deepEqual([record?.state, record?.workBase, record?.workspace], ['running', undefined, undefined]);
});

test('a VM starts when what its base image has cannot be noted, and only the guest knows it then', async () => {
  withUse((base) => ({
    ...base,
    copySent: async () => {
      throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    },
  }));
  const { id } = await create('web');
  assert.ok(world.records.get(id)?.workBase);
  assert.equal(await readKept(world.files.folders(id).sentTreeDir), undefined);
});

test('a VM starts without a base image where none can be made or kept private', async () => {
  for (const code of ['WORKSPACE_BASE_FAILED', 'HOST_NO_SPACE', 'DIR_NOT_PRIVATE']) {
    world.bases = {
      ...methodsOf(bases),
      use: async () => undefined,
      make: async () => {
        throw new AppError(code, 'Cannot make a base image');
      },
    };
    const { id } = await create(code.toLowerCase().replaceAll('_', '-'));
    assert.equal(world.records.get(id)?.workBase, undefined, code);
  }
});
