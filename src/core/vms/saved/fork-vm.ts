import { randomBytes } from 'node:crypto';
import { AppError } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import { plural } from '../../../base/text/words.ts';
import type { ForkVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { Task } from '../../../protocol/events.ts';
import { MAX_FORK_COUNT } from '../../../protocol/vm-limits.ts';
import { checkVmName, MAX_VM_NAME_LENGTH } from '../../../protocol/vm-name.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { CapturePlace } from '../../ports/vm-files.ts';
import type { DriveSpec } from '../../ports/vmm/spec.ts';
import { generateVmName } from '../../rules/name-generator.ts';
import { vmNameTaken } from '../../rules/vm-name-taken.ts';
import { findRunningVm, findVm } from '../find-vm.ts';
import type { BootWorld } from '../lifecycle/boot-vm.ts';
import { bootVm } from '../lifecycle/boot-vm.ts';
import { purgeVm } from '../lifecycle/delete-vm.ts';
import { withBase } from '../lifecycle/with-base.ts';
import { recordedAddress } from '../network/guest-addresses.ts';
import { requireFeature } from '../plan/choose-driver.ts';
import { holdBoot } from '../plan/hold-boot.ts';
import type { PlanWorld } from '../plan/make-plan.ts';
import { driveRequestOf, planStart } from '../plan/make-plan.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
import type { BootStores, VmNetwork, Vms } from '../world.ts';
import { captureVm } from './capture-vm.ts';
import { giveBackSpace } from './give-back.ts';

/** The result of a fork. */
export interface Forks {
  records: VmRecord[];
  /** how long the source was paused, in `ms` */
  pausedMs: number;
}

/** The copy that all forks of one request start from. */
interface Capture {
  place: CapturePlace;
  drives: readonly DriveSpec[];
}

/**
 * Makes copies of a running VM: memory, processes and drives, as of one moment. Each is personalised before
 * any command runs in it. The source is paused for a moment and then runs again. All or nothing: after a
 * failure or an abort there is no fork, and the source is unharmed.
 *
 * @throws {AppError} VM_NOT_FOUND, VM_NOT_RUNNING, VM_NAME_INVALID, VM_NAME_TAKEN, VM_COUNT_INVALID,
 * VMM_LACKS, VMM_SAVE_FAILED, HOST_NO_SPACE; as {@link bootVm}.
 */
export async function forkVm(
  world: BootWorld & PlanWorld & Pick<VmNetwork, 'addresses'>,
  ref: string,
  { request, signal, report }: Task & { request: ForkVmRequest },
): Promise<Forks> {
  const { id } = findVm(world.records, ref);
  const names = forkNames(world, findRunningVm(world.records, id), request);
  return await world.locks.run(
    id,
    async ({ signal: held }) => {
      const options = { signal: held, report };
      const source = findRunningVm(world.records, id);
      const plan = await planStart(world, source, options);
      const what = `fork vm "${source.name}"`;
      requireFeature(world.drivers, plan.driver, { feature: 'capture', what });
      await giveBackSpace(world, source, options);
      await using place = await world.files.openCapture(id);
      const { drives, pausedMs } = await captureVm(world, source, { place, plan, ...options });
      await using undo = new ResourceStack();
      const records: VmRecord[] = [];
      for (const name of names) {
        const capture = { place, drives };
        const fork = await makeFork(world, source, { capture, name, plan, ...options });
        undo.defer(`delete "${name}"`, () => purgeVm(world, fork.id));
        records.push(fork);
      }
      undo.move();
      return { records: request.ephemeral ? records : keep(world, records), pausedMs };
    },
    { action: 'fork', report, signal },
  );
}

/**
 * Makes the forks permanent once all of them exist. Until then they are ephemeral, so that the next daemon
 * removes them after a crash.
 */
function keep(world: Pick<Vms, 'records'>, records: readonly VmRecord[]): VmRecord[] {
  return world.records.updateAll(
    records.map(({ id }) => ({ ...findVm(world.records, id), ephemeral: false })),
  );
}

async function makeFork(
  world: BootWorld & BootStores & Pick<VmNetwork, 'addresses'>,
  source: VmRecord,
  {
    name,
    capture: { place, drives: captured },
    plan,
    signal,
    report,
  }: Task & { name: string; capture: Capture; plan: VmPlan },
): Promise<VmRecord> {
  const now = new Date().toISOString();
  const {
    runtime: _,
    drives: __,
    lastError: ___,
    guestIp: ____,
    forwards: _____,
    workBase,
    ...inherited
  } = source;
  using address = await world.addresses.take();
  const record: VmRecord = {
    ...inherited,
    id: randomBytes(6).toString('hex'),
    name,
    ...recordedAddress(address),
    state: 'creating',
    ephemeral: true,
    createdAt: now,
    updatedAt: now,
  };
  return await world.locks.run(
    record.id,
    async ({ signal: held }) => {
      await using undo = new ResourceStack();
      world.records.insert(record);
      undo.defer('delete the record', () => world.records.delete(record.id));
      undo.defer('remove the folders', () => world.files.remove(record.id));
      const folders = await world.files.create(record.id);
      await holdBoot(world, plan, { holderDir: folders.dir, signal: held });
      report({ event: 'progress', stage: 'fork', detail: name });
      const based = await withBase(world, record, { file: workBase?.pathOnHost, signal: held });
      const drives = await plan.driver.prepareDrives(
        driveRequestOf(plan, { dir: folders.dir, copyOf: captured, workBase: based.workBase }),
        { signal: held },
      );
      const { boot, probe } = plan;
      const prepared = world.records.update({ ...based, drives });
      const made = await bootVm(world, prepared, { boot, probe, report, signal: held, from: place.saved });
      undo.move();
      return made;
    },
    { action: 'create', signal },
  );
}

function forkNames(
  world: Pick<Vms, 'records'>,
  source: VmRecord,
  { names = [], count = names.length || 1 }: ForkVmRequest,
): string[] {
  if (!Number.isSafeInteger(count) || count < 1 || count > MAX_FORK_COUNT || names.length > count) {
    throw new AppError(
      'VM_COUNT_INVALID',
      `Cannot make ${plural(count, 'fork')}: the count must be from 1 to ${MAX_FORK_COUNT}, and not less than the number of names`,
      { hint: `banger vm fork ${source.name} -n 3`, details: { field: 'count', value: count } },
    );
  }
  const taken = new Set(world.records.list().map((record) => record.name));
  for (const name of names) {
    checkVmName(name);
    if (taken.has(name)) throw vmNameTaken(name);
    taken.add(name);
  }
  const all = [...names];
  for (let number = 1; all.length < count; number += 1) {
    const numbered = `${source.name}-${number}`;
    const name = numbered.length <= MAX_VM_NAME_LENGTH ? numbered : generateVmName((one) => taken.has(one));
    if (taken.has(name)) continue;
    taken.add(name);
    all.push(name);
  }
  return all;
}
