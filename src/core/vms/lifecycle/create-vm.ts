import { randomBytes } from 'node:crypto';
import { type Abortable, anySignal, neverAborts } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { CreateVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmForward } from '../../../protocol/vm.ts';
import type { VmRecord } from '../../ports/records.ts';
import { runConfigOf, withVariables } from '../../rules/image-environment.ts';
import { recordedAddress } from '../network/guest-addresses.ts';
import { networkOfNew } from '../network/requested-network.ts';
import { holdBoot } from '../plan/hold-boot.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import { noteSharedCpus, planVm } from '../plan/make-plan.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
import type { EarlyClaim } from '../pool/early-claim.ts';
import { endPoolVm } from '../pool/make-pool-vm.ts';
import type { PoolVm } from '../pool/pool-vm.ts';
import { templateKeyOf } from '../saved/warm-template.ts';
import type {
  BootStores,
  EgressPolicies,
  UnrecordedVms,
  VmDefaults,
  VmNetwork,
  Vms,
  WarmStarts,
} from '../world.ts';
import { noteAccelerator } from './boot-vm.ts';
import type { StartWorld } from './start-new.ts';
import { startNew } from './start-new.ts';
import { withBase } from './with-base.ts';

/** How a VM is made, besides what the user asks for. */
export interface CreateVmOptions extends Task {
  /**
   * a raw ext4 with the content of the new VM's work disk, its image's `/root` included; at most as large as
   * the disk. The VM shares it, so its content must never change; it may be removed once the VM exists.
   */
  workDiskBase?: { file: string };
  /** a pool VM that was set aside for this start */
  early?: EarlyClaim | undefined;
  purpose?: VmRecord['purpose'];
}

/**
 * Makes a VM and, unless `noStart`, boots it. All or nothing: after a failure or an abort no record, file or
 * process of it is left. The exception is `keepFailed`: a VM whose guest was not ready in time stays, in
 * state `error`, and is no longer ephemeral.
 *
 * @throws {AppError} what {@link networkOfNew}, {@link planVm} and {@link startNew} throw.
 */
export async function createVm(
  world: StartWorld & PlanWorld & VmDefaults & EgressPolicies & Pick<VmNetwork, 'addresses'>,
  request: CreateVmRequest,
  options: CreateVmOptions,
): Promise<VmRecord> {
  const network = await networkOfNew(world, request, options);
  const plan = await planVm(world, request, options);
  noteSharedCpus(plan.shape, world, options.report);
  if (!request.noStart) noteAccelerator(plan.probe, options.report);
  using address = await world.addresses.take();
  const poolVm = await takePoolVm(world, { plan, request }, options);
  const now = new Date().toISOString();
  const imageConfig = runConfigOf(withVariables(plan.image.config, request.env));
  const record: VmRecord = {
    id: poolVm?.vmId ?? randomBytes(6).toString('hex'),
    name: plan.name,
    state: 'creating',
    imageName: plan.image.name,
    imageId: plan.image.id,
    kernelName: plan.kernel.name,
    arch: plan.kernel.arch,
    ...(imageConfig === undefined ? {} : { imageConfig }),
    ...(request.user === undefined ? {} : { user: request.user }),
    shape: plan.shape,
    network,
    ...recordedAddress(address),
    ...(request.exposeHost ? { forwards: request.exposeHost.map(exposedPort) } : {}),
    ephemeral: request.ephemeral ?? false,
    ...(options.purpose === undefined ? {} : { purpose: options.purpose }),
    driverName: plan.driver.name,
    createdAt: now,
    updatedAt: now,
  };
  const make = async (held: Abortable): Promise<VmRecord> => {
    using either = anySignal(options.signal, held.signal);
    return await makeVm(world, { record, plan, request, poolVm }, { ...options, signal: either.signal });
  };
  // The lock of a new VM is free. With an already aborted signal, nothing would end the pool VM.
  return await world.locks.run(record.id, make, { action: 'create', signal: neverAborts() });
}

function exposedPort(port: number): VmForward {
  return { hostPort: port, guestPort: port, isReverse: true };
}

/** A pool VM that can become this one. @throws the abort reason. */
async function takePoolVm(
  world: Pick<WarmStarts, 'isWarm'> & Pick<UnrecordedVms, 'pool'>,
  { plan, request }: { plan: VmPlan; request: CreateVmRequest },
  { early, workDiskBase, signal }: CreateVmOptions,
): Promise<PoolVm | undefined> {
  const key = request.noStart || request.cold ? undefined : templateKeyOf(world, plan);
  if (key === undefined) return undefined;
  const setAside = await early?.take(key, { file: workDiskBase?.file, signal });
  return setAside ?? (await world.pool?.take(key, { signal }));
}

interface Making {
  record: VmRecord;
  plan: VmPlan;
  request: CreateVmRequest;
  poolVm: PoolVm | undefined;
}

async function makeVm(
  world: StartWorld & BootStores,
  { record: inserted, plan, request, poolVm }: Making,
  { signal, report, workDiskBase }: CreateVmOptions,
): Promise<VmRecord> {
  using _unrecorded = poolVm?.unrecorded;
  await using undo = new ResourceStack();
  if (poolVm) undo.defer('end the pool VM', () => endPoolVm(world, poolVm));
  const { id } = inserted;
  world.records.insert(inserted);
  undo.defer('delete the record', () => world.records.delete(id));
  undo.defer('remove the folders', () => world.files.remove(id));
  const folders = await world.files.create(id);
  await holdBoot(world, plan, { holderDir: folders.dir, signal });
  const workBase = poolVm?.workDisk?.base?.workBase;
  const record = workBase
    ? world.records.update({ ...inserted, workBase })
    : await withBase(world, inserted, { file: workDiskBase?.file, signal });
  try {
    const made = request.noStart
      ? world.records.update({ ...record, state: 'created' })
      : await startNew(world, record, { plan, isCold: request.cold ?? false, poolVm, signal, report });
    undo.move();
    return made;
  } catch (error) {
    if (!request.keepFailed || !isLate(error)) throw error;
    undo.move();
    throw keptForALook(world, record, error);
  }
}

/** Whether the guest was not ready within its deadline. */
function isLate(error: unknown): error is AppError {
  return isAppError(error, 'GUEST_BOOT_FAILED') && isAppError(error.cause, 'WAIT_TIMEOUT');
}

/** Records that the VM has failed, and returns the error that says where to look. */
function keptForALook(world: Pick<Vms, 'records'>, record: VmRecord, error: AppError): AppError {
  const { code, message, details, cause } = error;
  world.records.update({ ...record, state: 'error', ephemeral: false, lastError: { code, message } });
  return new AppError(code, message, {
    hint: `the VM is kept so that you can read its console: banger vm logs ${record.name}; then: banger vm delete ${record.name}`,
    details,
    cause,
  });
}
