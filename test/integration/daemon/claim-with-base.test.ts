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
import { startVm } from '../../../src/core/vms/lifecycle/start-vm.ts';
import { stopVm } from '../../../src/core/vms/lifecycle/stop-vm.ts';
import type { VmWorld } from '../../../src/core/vms/world.ts';
import { type DaemonLab, openDaemonLab } from '../../support/daemon-lab.ts';
import {
  actDuringClaim,
  CLAIM_STEPS,
  createOver,
  dieDuringClaim,
  type Moment,
  poolIsReady,
  someBase,
} from '../../support/steps/claim-steps.ts';
import { until } from '../../support/until.ts';

const signal = neverAborts();
const task = { signal, report: () => {} };

const MOMENTS: readonly Moment[] = CLAIM_STEPS.flatMap((step) => [
  { step, when: 'before' },
  { step, when: 'after' },
]);

describe('a VM with a base below its work disk', () => {
  let lab: DaemonLab;
  let world: VmWorld;
  let base: string;
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
    await createOver(world, 'first', undefined);
  });
  after(() => lab[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const { id, name } of world.records.list()) if (name !== 'first') await deleteVm(world, id);
    // The pool makes and deletes VMs meanwhile.
    const isOnlyWanted = async (): Promise<boolean> => {
      const { folders } = await lab.leftovers();
      const wanted = [...world.records.list().map(({ id }) => id), ...(world.pool?.vmIds ?? [])];
      return folders.every((id) => wanted.includes(id) || world.unrecorded.has(id));
    };
    await until(isOnlyWanted, { what: 'nothing to be left but VMs on record and in the pool' });
  });

  /** Waits for a pool VM, which a VM that starts brings about. */
  async function pool(): Promise<string> {
    if (world.pool?.vmIds[0] === undefined) {
      const { id } = await createOver(world, 'another', undefined);
      await deleteVm(world, id);
    }
    return await poolIsReady(world);
  }

  const workOf = ({ drives = [] }: VmRecord) => drives.find(({ serial }) => serial === 'work');

  /** Its work disk is on its own link to this base, and its guest has mounted it. */
  async function checkOver(vm: VmRecord, file: string): Promise<void> {
    const { baseDir } = world.files.folders(vm.id);
    assert.deepEqual(vm.workBase, {
      pathOnHost: join(baseDir, 'work.ext4'),
      sizeBytes: (await stat(file)).size,
    });
    assert.deepEqual(workOf(vm)?.base, vm.workBase);
    assert.equal((await stat(vm.workBase?.pathOnHost ?? '')).ino, (await stat(file)).ino);
    const own = lab.guests.personalised.filter(({ hostname }) => hostname === vm.name);
    assert.ok(own.some(({ workDisk }) => workDisk === 'mount'));
  }

  test('is a claimed pool VM with another work disk; the blank one is gone', async () => {
    const waiting = await pool();
    const vm = await createOver(world, 'claimed', base);
    assert.equal(vm.id, waiting);
    await checkOver(vm, base);
    await assert.rejects(stat(join(world.files.folders(vm.id).dir, 'work.raw')), { code: 'ENOENT' });
    await stopVm(world, vm.id, task);
    await checkOver(await startVm(world, vm.id, { ...task, isCold: false }), base);
  });

  test('keeps its base when it is made without a start', async () => {
    const made = await createVm(
      world,
      { name: 'later', noStart: true },
      { ...task, workDiskBase: { file: base } },
    );
    assert.equal(made.state, 'created');
    await checkOver(await startVm(world, 'later', { ...task, isCold: false }), base);
  });

  test('is not made when its base cannot be used', async () => {
    await pool();
    const begun = createOver(world, 'never', join(lab.dir, 'missing'));
    await assert.rejects(begun, { code: 'VMM_DRIVE_INVALID' });
    assert.equal(
      world.records.list().some(({ name }) => name === 'never'),
      false,
    );
  });

  for (const moment of MOMENTS) {
    test(`has its own base when the pool VM's VMM is killed ${moment.when} the step "${moment.step}"`, async () => {
      const waiting = await pool();
      const { vmRuntimeDir } = lab.settings.paths;
      const place = { vmId: waiting, runtimeDir: join(vmRuntimeDir, waiting), consoleLogPath: '' };
      const running = await lab.driver.adopt(place, { signal });
      const [driver] = world.drivers;
      const take = world.pool?.take;
      let hasActed = false;
      actDuringClaim(world, moment, async () => {
        hasActed = true;
        process.kill(running?.vmm.pid ?? assert.fail(), 'SIGKILL');
        await running?.exited;
      });
      try {
        const vm = await createOver(world, 'claimed', base);
        // A VM that ends as soon as it runs is stopped.
        await checkOver(vm, base);
      } catch (error) {
        // The guest was lost in the middle of its personalisation.
        assert.match(String((error as { code?: unknown }).code), /^(GUEST|VMM)_/);
      }
      assert.ok(hasActed);
      world.drivers = [driver];
      if (world.pool && take) world.pool.take = take;
    });

    test(`leaves nothing when its daemon is killed ${moment.when} the step "${moment.step}"`, async () => {
      await using other = await openDaemonLab();
      const script = `
        import { ${dieDuringClaim.name} } from ${JSON.stringify(import.meta.resolve('../../support/steps/claim-steps.ts'))};
        await ${dieDuringClaim.name}(${JSON.stringify(other.dir)}, ${JSON.stringify(moment)});`;
      const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.on('data', (chunk) => {
        said += String(chunk);
      });
      await once(child, 'close');
      const [, vmId] = /^dies with ([0-9a-f]+)$/m.exec(said) ?? assert.fail(said);
      await other.start({ canSave: true });
      const { records, folders, processes } = await other.leftovers();
      assert.deepEqual(records, ['first']);
      assert.ok(!folders.includes(vmId ?? ''), `${vmId} in ${folders.join()}`);
      assert.deepEqual([folders.length, processes], [1, 1]);
    });
  }
});
