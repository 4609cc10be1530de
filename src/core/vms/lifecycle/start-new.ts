import { isAppError } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { StoredTemplate } from '../../ports/templates.ts';
import { driveRequestOf } from '../plan/make-plan.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
import { claimPoolVm } from '../pool/claim-pool-vm.ts';
import type { PoolVm } from '../pool/pool-vm.ts';
import { templateKeyOf, warmTemplate } from '../saved/warm-template.ts';
import type { UnrecordedVms, WarmStarts } from '../world.ts';
import type { BootWorld } from './boot-vm.ts';
import { bootVm } from './boot-vm.ts';

/** What a first start works on. */
export type StartWorld = BootWorld & WarmStarts & UnrecordedVms;

/** How a VM starts for the first time. */
export interface StartNewOptions extends Task {
  plan: VmPlan;
  /** boot even where a template exists */
  isCold: boolean;
  /** a pool VM with the record's id and folders, to claim */
  poolVm?: PoolVm | undefined;
}

/**
 * Makes the drives of a new VM and brings it up: from a warm template when possible, else by a boot. The
 * caller holds the VM's lock. After a failure or an abort the VM has no drives and no VMM.
 *
 * @throws {AppError} as {@link bootVm}; HOST_NO_SPACE.
 */
export async function startNew(
  world: StartWorld,
  record: VmRecord,
  options: StartNewOptions,
): Promise<VmRecord> {
  const { plan, isCold, poolVm } = options;
  const key = isCold ? undefined : templateKeyOf(world, plan);
  if (key === undefined) return await startWith(world, record, options);
  const claimed = poolVm && (await claim(world, record, { ...options, poolVm }));
  const started = claimed ?? (await startWarm(world, record, { ...options, key }));
  world.pool?.want({ plan, key, hasWorkBase: record.workBase !== undefined });
  return started;
}

/** Claims the pool VM; returns `undefined` when that failed but another way to start may succeed. */
async function claim(
  world: BootWorld,
  record: VmRecord,
  options: StartNewOptions & { poolVm: PoolVm },
): Promise<VmRecord | undefined> {
  try {
    return await claimPoolVm(world, record, options);
  } catch (error) {
    options.signal.throwIfAborted();
    if (isAppError(error, 'GUEST_PERSONALISE_FAILED', 'GUEST_USER_UNUSABLE')) throw error;
    world.log.warn('a pool VM could not be used', { vmId: record.id, error });
    return undefined;
  }
}

async function startWarm(
  world: StartWorld,
  record: VmRecord,
  { key, ...options }: StartNewOptions & { key: string },
): Promise<VmRecord> {
  const { plan, report, signal } = options;
  using template = await warmTemplate(world, { plan, key }, { report, signal });
  if (template) {
    try {
      return await startWith(world, record, { ...options, template });
    } catch (error) {
      if (record.workBase && isAppError(error, 'GUEST_FAILED', 'VMM_REFUSED')) {
        world.log.warn('the work disk of a restored guest could not be replaced', { key, error });
        return await startWith(world, record, options);
      }
      if (!isAppError(error, 'VMM_RESTORE_FAILED')) throw error;
      world.log.warn('a warm template could not be restored', { key, error });
      await world.templates.setAside(key);
      await world.pool?.drop([key]);
      const message = `a warm template could not be restored and is set aside; this VM boots cold: ${error.message}`;
      report({ event: 'notice', message });
    }
  }
  return await startWith(world, record, options);
}

async function startWith(
  world: BootWorld,
  record: VmRecord,
  { plan, template, report, signal }: StartNewOptions & { template?: StoredTemplate },
): Promise<VmRecord> {
  await using undo = new ResourceStack();
  report({ event: 'progress', stage: 'drives' });
  const drives = await plan.driver.prepareDrives(
    driveRequestOf(plan, {
      dir: world.files.folders(record.id).dir,
      copyOf: template?.drives,
      // A guest that is restored gets its own work disk later, because it has the template's mounted.
      workBase: template ? undefined : record.workBase,
    }),
    { signal },
  );
  undo.defer('remove the drives', async () => {
    world.records.update(record);
    await plan.driver.removeDrives(drives);
    // A work disk that was to take the place of the template's.
    await world.files.sweepDrives(record.id, []);
  });
  const prepared = world.records.update({ ...record, drives });
  const { boot, probe } = plan;
  const started = await bootVm(world, prepared, {
    signal,
    report,
    boot,
    probe,
    isNew: true,
    ...(template ? { from: template.saved } : {}),
  });
  undo.move();
  return started;
}
