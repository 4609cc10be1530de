import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { AppError } from '../../../src/base/errors.ts';
import { createVm } from '../../../src/core/vms/lifecycle/create-vm.ts';
import { deleteVm } from '../../../src/core/vms/lifecycle/delete-vm.ts';
import type { PoolOptions } from '../../../src/core/vms/pool/pool.ts';
import type { VmWorld } from '../../../src/core/vms/world.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { patient } from '../../support/patience.ts';
import { dieWithPool } from '../../support/steps/pool-steps.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();

/** All starts of a test are in quick succession, and none is forgotten. */
const BUSY: Partial<PoolOptions> = {
  most: 3,
  withinMs: { least: 600_000, most: 600_000 },
  forgetMs: 600_000,
};

interface PoolLab extends AsyncDisposable {
  lab: DaemonLab;
  world: VmWorld;
  /** Waits until that many pool VMs are ready, and returns their ids. */
  ready(count: number): Promise<readonly string[]>;
  /** Creates a VM; returns its id. */
  create(name: string, request?: object, options?: { signal: AbortSignal }): Promise<string>;
}

async function openPoolLab(pool: Partial<PoolOptions>): Promise<PoolLab> {
  const lab = await openDaemonLab();
  let world: VmWorld | undefined;
  const daemon = await lab.start({
    canSave: true,
    hasStandby: true,
    pool,
    onWorld: (made) => (world = made),
  });
  const { pool: keeper } = world ?? assert.fail();
  const made = world ?? assert.fail();
  return {
    lab,
    world: made,
    async ready(count) {
      const isSo = (): boolean => keeper?.vmIds.length === count;
      await until(isSo, { what: `${count} pool VMs` });
      return keeper?.vmIds ?? [];
    },
    async create(name, request = {}, options = { signal }) {
      return (await createVm(made, { name, ...request }, { ...options, report: () => {} })).id;
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await lab[Symbol.asyncDispose]();
    },
  };
}

const three = (prefix: string): string[] => [1, 2, 3].map((number) => `${prefix}-${number}`);

/** Starts two VMs, and returns while a pool VM is being made, which continues when the result is called. */
async function holdNextMaking(pool: PoolLab): Promise<() => void> {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  await pool.create('first');
  await pool.ready(1);
  beforeNextRestore(pool, async () => {
    begin();
    await gate;
  });
  await pool.create('second');
  await begun;
  return open;
}

/** Calls `before` when the next VM is restored, which waits for it. */
function beforeNextRestore({ world }: PoolLab, before: () => Promise<void>): void {
  const [driver] = world.drivers;
  const restore: typeof driver.restore = async (...args) => {
    world.drivers = [driver];
    await before();
    return await driver.restore(...args);
  };
  world.drivers = [{ ...driver, restore }];
}

describe('the pool', { timeout: patient(10 * 60_000) }, () => {
  test('has a VM for each of three starts at once, when three started at once before', async () => {
    await using pool = await openPoolLab(BUSY);
    await pool.create('first');
    await Promise.all(three('a').map((name) => pool.create(name)));
    const waiting = await pool.ready(3);
    const claimed = await Promise.all(three('b').map((name) => pool.create(name)));
    assert.deepEqual(claimed.toSorted(), [...waiting].toSorted());
    assert.equal(
      (await pool.ready(3)).some((id) => waiting.includes(id)),
      false,
    );
  });

  test('goes back to one VM when demand ends, and to none later', async () => {
    let nowMs = 0;
    const clock = { now: () => nowMs, everyMs: 20 };
    await using pool = await openPoolLab({ ...BUSY, forgetMs: 1_000, keepMs: 4_000, clock });
    await pool.create('first');
    await Promise.all(three('a').map((name) => pool.create(name)));
    await pool.ready(3);
    nowMs = 1_000;
    await pool.ready(1);
    nowMs = 4_000;
    await pool.ready(0);
    await until(async () => (await readdir(pool.lab.settings.paths.vmsDir)).length === 4);
    assert.equal((await pool.lab.leftovers()).processes, 4);
  });

  test('has a VM as soon as the VM that started is deleted', async () => {
    await using pool = await openPoolLab({ delayMs: 600_000 });
    await pool.create('first');
    await pool.ready(0);
    await deleteVm(pool.world, 'first');
    const [waiting] = await pool.ready(1);
    assert.equal(await pool.create('second'), waiting);
  });

  test('leaves the processors to a start while others are ready for the next one', async () => {
    await using pool = await openPoolLab({ ...BUSY, delayMs: 600_000 });
    await pool.create('first');
    await Promise.all(three('a').map((name) => pool.create(name)));
    await pool.ready(3);
    let restores = 0;
    beforeNextRestore(pool, async () => {
      restores++;
    });
    await pool.create('b');
    await pool.ready(2);
    assert.equal(restores, 0);
    await deleteVm(pool.world, 'b');
    await pool.ready(3);
    assert.equal(restores, 1);
  });

  test('has one VM while starts do not follow each other quickly', async () => {
    await using pool = await openPoolLab({ most: 3, forgetMs: 600_000 });
    for (const name of three('a')) {
      await pool.create(name);
      await pool.ready(1);
    }
    assert.deepEqual((await pool.lab.leftovers()).processes, 4);
  });

  test('has as many VMs as the memory of the host allows', async () => {
    await using pool = await openPoolLab({ ...BUSY, hasRoom: (memoryMib) => memoryMib <= 2 * 128 });
    await pool.create('first');
    await Promise.all(three('a').map((name) => pool.create(name)));
    const before = await pool.ready(2);
    // Another shape, started later, takes their place: there is no room for one of each.
    await pool.create('larger', { memoryMib: 160 });
    const waiting = (): readonly string[] => pool.world.pool?.vmIds ?? [];
    await until(() => waiting().length === 1 && !before.includes(waiting()[0] ?? ''), {
      what: 'another one',
    });
    const [other] = waiting();
    assert.equal(await pool.create('larger-2', { memoryMib: 160 }), other);
  });

  test('has no VM on a host without memory for one', async () => {
    let asked = 0;
    await using pool = await openPoolLab({ ...BUSY, hasRoom: () => ++asked < 0 });
    await pool.create('first');
    await until(() => asked > 0);
    await pool.ready(0);
    assert.equal((await pool.lab.leftovers()).processes, 1);
  });

  test('has VMs of each shape that is used', async () => {
    await using pool = await openPoolLab({ ...BUSY, withinMs: { least: 0, most: 0 } });
    await pool.create('small');
    await pool.ready(1);
    await pool.create('large', { memoryMib: 256 });
    const waiting = await pool.ready(2);
    const claimed = [await pool.create('small-2'), await pool.create('large-2', { memoryMib: 256 })];
    assert.deepEqual(claimed.toSorted(), [...waiting].toSorted());
  });

  test('hands over a VM that is being made to a start that needs it', async () => {
    await using pool = await openPoolLab(BUSY);
    const open = await holdNextMaking(pool);
    const before = await readdir(pool.lab.settings.paths.vmsDir);
    const third = pool.create('third');
    open();
    assert.ok(before.includes(await third), 'it was begun before the start');
  });

  test('leaves nothing of a VM that is being made when the start that waits for it is cancelled', async () => {
    await using pool = await openPoolLab(BUSY);
    const open = await holdNextMaking(pool);
    const stop = new AbortController();
    const third = pool.create('third', {}, { signal: stop.signal });
    stop.abort(new AppError('CANCELLED', 'Cannot create "third": cancelled'));
    open();
    await assert.rejects(third, { code: 'CANCELLED' });
    assert.deepEqual(
      pool.world.records.list().map(({ name }) => name),
      ['first', 'second'],
    );
    await until(async () => {
      const { folders, processes } = await pool.lab.leftovers();
      const count = 2 + (pool.world.pool?.vmIds.length ?? 0);
      return folders.length === count && processes === count;
    });
  });

  test('keeps the others when the VMM of one dies', async () => {
    await using pool = await openPoolLab(BUSY);
    await pool.create('first');
    await Promise.all(three('a').map((name) => pool.create(name)));
    const [dead = '', ...others] = await pool.ready(3);
    const { vmRuntimeDir, vmsDir } = pool.lab.settings.paths;
    const place = { vmId: dead, runtimeDir: join(vmRuntimeDir, dead), consoleLogPath: '' };
    await (await pool.lab.driver.adopt(place, { signal }))?.kill();
    assert.deepEqual(await pool.ready(2), others);
    await until(async () => !(await readdir(vmsDir)).includes(dead));
    assert.equal(await pool.create('next'), others[0]);
  });

  test('tries once more only after another start when a VM of it cannot be made', async () => {
    await using pool = await openPoolLab(BUSY);
    const [driver] = pool.world.drivers;
    let failures = 0;
    await pool.create('first');
    await pool.ready(1);
    const restore: typeof driver.restore = async () => {
      failures++;
      throw new AppError('VMM_RESTORE_FAILED', 'Cannot restore "pool": no');
    };
    pool.world.drivers = [{ ...driver, restore }];
    await pool.create('second');
    await until(() => failures === 1);
    pool.world.drivers = [driver];
    await pool.create('third');
    await pool.ready(3);
    assert.equal(failures, 1);
  });

  test('leaves nothing of its VMs when the daemon ends, nor of those that are being made then', async () => {
    await using other = await openDaemonLab();
    const daemon = await other.start({ canSave: true, hasStandby: true, pool: { ...BUSY, mostAtOnce: 2 } });
    const { client } = other;
    for (const name of ['one', ...three('a')]) {
      for await (const _ of client.createVm({ name }, { signal }));
    }
    await daemon[Symbol.asyncDispose]();
    const { folders, records, processes } = await other.leftovers();
    assert.deepEqual([records.length, folders.length, processes], [4, 4, 4]);
  });

  test('leaves nothing of its VMs to the next daemon when the daemon is killed', async () => {
    await using other = await openDaemonLab();
    const script = `
      import { ${dieWithPool.name} } from ${JSON.stringify(import.meta.resolve('../../support/steps/pool-steps.ts'))};
      await ${dieWithPool.name}(${JSON.stringify(other.dir)});`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += String(chunk);
    });
    await once(child, 'close');
    const ids = /^dies with ([0-9a-f,]+)$/m.exec(said)?.[1]?.split(',') ?? assert.fail(said);
    assert.equal(ids.length, 3);
    await other.start({ canSave: true });
    const { records, folders, processes } = await other.leftovers();
    assert.deepEqual([records.length, folders.length, processes], [4, 4, 4]);
    assert.equal(
      folders.some((folder) => ids.includes(folder)),
      false,
    );
  });
});
