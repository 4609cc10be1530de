import { AppError } from '../../../base/errors.ts';
import { formatSize } from '../../../base/text/size.ts';
import type { SetVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { Task } from '../../../protocol/events.ts';
import { RESTING_STATES } from '../../../protocol/vm.ts';
import type { VmRecord } from '../../ports/records.ts';
import { resolveShape } from '../../rules/vm-shape.ts';
import { findVm } from '../find-vm.ts';
import { changedNetwork } from '../network/requested-network.ts';
import { setExposedPorts } from '../network/set-forward.ts';
import { requireFeature } from '../plan/choose-driver.ts';
import { noteSharedCpus } from '../plan/make-plan.ts';
import { driverOf } from '../vm-drivers.ts';
import type { EgressPolicies, VmDefaults, VmHost, Vms } from '../world.ts';
import { setNetwork } from './set-network.ts';

/** The parts of a shape that can be changed, by their user-visible names. */
const SETTABLE = { vcpuCount: 'vcpu', memoryMib: 'memory', diskSizeBytes: 'disk-size' } as const;

/**
 * Changes the shape of a stopped VM, which its next start uses, and what its guest may reach of the outside
 * and of this host, which takes effect at once when it runs. Values that are already set change nothing.
 * After a failure to change the shape nothing is changed.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_STOPPED, VM_SHAPE_INVALID, VM_DISK_SHRINKS; HOST_NO_SPACE,
 * VMM_TOOL_MISSING, VMM_DRIVE_INVALID for a work disk that cannot grow; VMM_LACKS; as
 * {@link changedNetwork}, {@link setNetwork} and {@link setExposedPorts}.
 */
export async function setVm(
  world: Vms & Pick<VmHost, 'drivers' | 'hostUser'> & Pick<VmDefaults, 'host'> & EgressPolicies,
  ref: string,
  { request, report, signal }: Task & { request: SetVmRequest },
): Promise<VmRecord> {
  const { id } = findVm(world.records, ref);
  const network = await changedNetwork(world, findVm(world.records, id).network, request, { signal });
  if (network && network.mode !== 'none') {
    const record = findVm(world.records, id);
    const what = `connect vm "${record.name}" to the network`;
    requireFeature(world.drivers, driverOf(world, record), { feature: 'network', what });
  }
  const shaped = await setShape(world, id, { request, report, signal });
  const connected = network === undefined ? shaped : await setNetwork(world, id, { network, report, signal });
  const { exposeHost } = request;
  return exposeHost ? await setExposedPorts(world, id, { ...exposeHost, report, signal }) : connected;
}

async function setShape(
  world: Pick<Vms, 'records' | 'locks' | 'log'> & Pick<VmHost, 'drivers'> & Pick<VmDefaults, 'host'>,
  id: string,
  { request, report, signal }: Task & { request: SetVmRequest },
): Promise<VmRecord> {
  return await world.locks.run(
    id,
    async () => {
      const record = findVm(world.records, id);
      const changed = changesOf(record, request);
      if (changed.length === 0) return record;
      requireResting(record, changed);
      const shape = resolveShape(request, { defaults: record.shape, host: world.host });
      requireNoShrinking(record, shape.diskSizeBytes);
      if (shape.vcpuCount !== record.shape.vcpuCount) noteSharedCpus(shape, world, report);
      // The new size is on record before the file has it, so that the next daemon can finish after a crash.
      const meant = world.records.update({ ...record, shape });
      try {
        return await settleWorkDisk(world, meant);
      } catch (error) {
        world.records.update(record);
        throw error;
      }
    },
    { action: 'change', signal },
  );
}

/**
 * Grows the work disk to the size in the record. Idempotent. The caller holds the VM's lock, and the VM does
 * not run.
 *
 * @throws {AppError} as `VmDriver.growDrive`.
 */
export async function settleWorkDisk(
  world: Pick<Vms, 'records' | 'log'> & Pick<VmHost, 'drivers'>,
  record: VmRecord,
): Promise<VmRecord> {
  const { diskSizeBytes } = record.shape;
  const work = record.drives?.find(({ serial }) => serial === 'work');
  if (!work || work.sizeBytes === diskSizeBytes) return record;
  const grown = await driverOf(world, record).growDrive(work, diskSizeBytes);
  const drives = (record.drives ?? []).map((drive) => (drive === work ? grown : drive));
  world.log.info('a work disk has grown', { vmId: record.id, from: work.sizeBytes, to: diskSizeBytes });
  return world.records.update({ ...record, drives });
}

function changesOf({ shape }: VmRecord, request: SetVmRequest): string[] {
  return (Object.keys(SETTABLE) as (keyof typeof SETTABLE)[])
    .filter((key) => request[key] !== undefined && request[key] !== shape[key])
    .map((key) => SETTABLE[key]);
}

function requireResting({ name, state }: VmRecord, changed: readonly string[]): void {
  if (RESTING_STATES.includes(state)) return;
  throw new AppError(
    'VM_NOT_STOPPED',
    `Cannot change ${changed.join(', ')} of "${name}": it must be stopped, but is ${state}`,
    { hint: `banger vm stop ${name}`, details: { state, fields: changed } },
  );
}

function requireNoShrinking({ name, shape }: VmRecord, diskSizeBytes: number): void {
  if (diskSizeBytes >= shape.diskSizeBytes) return;
  const [from, to] = [formatSize(shape.diskSizeBytes), formatSize(diskSizeBytes)];
  throw new AppError(
    'VM_DISK_SHRINKS',
    `Cannot make the work disk of "${name}" ${to}: it has ${from}, and shrinking it could destroy data`,
    {
      hint: `work disks only grow: give at least ${from}, or make a smaller VM and copy the files`,
      details: { field: 'disk-size', diskSizeBytes: shape.diskSizeBytes },
    },
  );
}
