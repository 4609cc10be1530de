import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import type { VmRecord } from '../../../src/core/ports/records.ts';
import { createVm } from '../../../src/core/vms/lifecycle/create-vm.ts';
import { deleteVm } from '../../../src/core/vms/lifecycle/delete-vm.ts';
import { claimEarly, type EarlyClaim } from '../../../src/core/vms/pool/early-claim.ts';
import type { VmWorld } from '../../../src/core/vms/world.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import { createOver, poolIsReady, someBase } from '../../support/steps/claim-steps.ts';
import { dieWithEarlyClaim } from '../../support/steps/early-steps.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
const task = { signal, report: () => {} };

describe('a pool VM that is set aside for a start', () => {
  let lab: DaemonLab;
  let world: VmWorld;
  let base: string;
  let other: string;
  let shape: { imageName: string; diskSizeBytes: number };
  before(async () => {
    lab = await openDaemonLab();
    await lab.start({
      canSave: true,
      hasStandby: true,
      onWorld: (made) => {
        world = made;
      },
    });
    base = await someBase(lab.dir, 'base');
    other = await someBase(lab.dir, 'other');
    const first = await createOver(world, 'first', undefined);
    shape = { imageName: first.imageName, diskSizeBytes: first.shape.diskSizeBytes };
  });
  after(() => lab[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const { id, name } of world.records.list()) if (name !== 'first') await deleteVm(world, id);
    const isOnlyWanted = async (): Promise<boolean> => {
      const { folders } = await lab.leftovers();
      const wanted = [...world.records.list().map(({ id }) => id), ...(world.pool?.vmIds ?? [])];
      return folders.every((id) => wanted.includes(id) || world.unrecorded.has(id));
    };
    await until(isOnlyWanted, { what: 'nothing to be left but VMs on record and in the pool' });
  });

  async function begin(): Promise<{ early: EarlyClaim; vmId: string }> {
    if (world.pool?.vmIds[0] === undefined) {
      const { id } = await createOver(world, 'another', undefined);
      await deleteVm(world, id);
    }
    const vmId = await poolIsReady(world);
    lab.guests.personalised.length = 0;
    return { early: claimEarly(world, shape) ?? assert.fail('a pool VM fits'), vmId };
  }

  const start = (early: EarlyClaim, file?: string): Promise<VmRecord> =>
    createVm(
      world,
      { name: 'claimed' },
      { ...task, early, ...(file === undefined ? {} : { workDiskBase: { file } }) },
    );
  const asked = () =>
    lab.guests.personalised.map(({ workDisk, hostname }) => [workDisk, hostname].filter(Boolean).join(' '));

  async function checkOver({ id, workBase, drives = [] }: VmRecord, file: string): Promise<void> {
    assert.equal(workBase?.pathOnHost, join(world.files.folders(id).baseDir, 'work.ext4'));
    assert.deepEqual(drives.find(({ serial }) => serial === 'work')?.base, workBase);
    assert.equal((await stat(workBase?.pathOnHost ?? '')).ino, (await stat(file)).ino);
  }

  test('has the work disk of its base before the start, which only personalises it', async () => {
    const { early, vmId } = await begin();
    early.prepare({ file: base, diskSizeBytes: shape.diskSizeBytes });
    const isMounted = (): boolean => asked().join() === 'release,mount';
    await until(isMounted, { what: 'the guest to mount the work disk' });
    const vm = await start(early, base);
    assert.equal(vm.id, vmId);
    await checkOver(vm, base);
    assert.deepEqual(asked().slice(2), ['mount claimed']);
    // It belongs to the start now.
    await early[Symbol.asyncDispose]();
    assert.equal(world.records.get(vmId)?.state, 'running');
  });

  test('gets the work disk of another base, or none, when that is known only at the start', async () => {
    const changed = await begin();
    const vm = await start(changed.early, other);
    assert.equal(vm.id, changed.vmId);
    await checkOver(vm, other);
    assert.deepEqual(asked(), ['release', 'mount claimed']);
    await deleteVm(world, vm.id);
    const without = await begin();
    const blank = await start(without.early);
    assert.deepEqual([blank.id, blank.workBase], [without.vmId, undefined]);
    assert.deepEqual(asked(), ['release', 'mount', 'claimed']);
  });

  test('is never a VM over another base, or without one: it is ended', async () => {
    for (const file of [other, undefined]) {
      const { early, vmId } = await begin();
      early.prepare({ file: base, diskSizeBytes: shape.diskSizeBytes });
      const vm = await start(early, file);
      assert.notEqual(vm.id, vmId);
      if (file === undefined) assert.equal(vm.workBase, undefined);
      else await checkOver(vm, file);
      await deleteVm(world, vm.id);
    }
  });

  test('goes back to the pool as it was when no start takes it', async () => {
    const { early, vmId } = await begin();
    await early[Symbol.asyncDispose]();
    assert.deepEqual(asked(), ['release', 'mount']);
    assert.ok(world.pool?.vmIds.includes(vmId));
  });

  test('is ended when no start takes it and it has seen a base, or its base is gone, or its VMM dies; the start then goes another way', async () => {
    const unused = await begin();
    unused.early.prepare({ file: base, diskSizeBytes: shape.diskSizeBytes });
    await unused.early[Symbol.asyncDispose]();
    const gone = await begin();
    gone.early.prepare({ file: join(lab.dir, 'missing'), diskSizeBytes: shape.diskSizeBytes });
    const first = await start(gone.early, base);
    assert.notEqual(first.id, gone.vmId);
    await deleteVm(world, first.id);
    const killed = await begin();
    const { vmRuntimeDir } = lab.settings.paths;
    const place = {
      ...{ vmId: killed.vmId, runtimeDir: join(vmRuntimeDir, killed.vmId), consoleLogPath: '' },
    };
    const running = await lab.driver.adopt(place, { signal });
    process.kill(running?.vmm.pid ?? assert.fail(), 'SIGKILL');
    await running?.exited;
    killed.early.prepare({ file: base, diskSizeBytes: shape.diskSizeBytes });
    const second = await start(killed.early, base);
    assert.notEqual(second.id, killed.vmId);
    await checkOver(second, base);
  });

  test('is taken by no start that is cancelled, and is gone then', async () => {
    const { early } = await begin();
    const stop = new AbortController();
    stop.abort(new DOMException('stop', 'AbortError'));
    const cancelled = createVm(world, { name: 'never' }, { ...task, signal: stop.signal, early });
    await assert.rejects(cancelled, { name: 'AbortError' });
    await early[Symbol.asyncDispose]();
  });

  test('leaves nothing when the daemon is killed', async () => {
    await using dying = await openDaemonLab();
    const script = `
      import { ${dieWithEarlyClaim.name} } from ${JSON.stringify(import.meta.resolve('../../support/steps/early-steps.ts'))};
      await ${dieWithEarlyClaim.name}(${JSON.stringify(dying.dir)});`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += String(chunk);
    });
    await once(child, 'close');
    const [, vmId] = /^dies with ([0-9a-f]+)$/m.exec(said) ?? assert.fail(said);
    await dying.start({ canSave: true });
    const { records, folders, processes } = await dying.leftovers();
    assert.deepEqual(records, ['first']);
    assert.ok(!folders.includes(vmId ?? ''), `${vmId} in ${folders.join()}`);
    assert.deepEqual([folders.length, processes], [1, 1]);
  });
});
