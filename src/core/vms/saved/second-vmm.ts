import { ResourceStack } from '../../../base/resource-stack.ts';
import type { Task } from '../../../protocol/events.ts';
import { ordinaryUser } from '../../../protocol/guest-user.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import type { SavedGuest } from '../../ports/vmm/saving.ts';
import { connectAgent } from '../guest/connect-agent.ts';
import { readHostContent } from '../guest/personalise.ts';
import { type ReachOptions, reachReady } from '../lifecycle/boot-vm.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
import { vmSpecOf } from '../plan/vm-spec.ts';
import { killStrays } from '../vm-drivers.ts';
import type { GuestWaits, UnrecordedVms, VmHost, Vms } from '../world.ts';

/**
 * A second VMM of a VM, whose guest is ready but not in use yet. Disposing ends it; nothing of it is left.
 */
export interface SecondVm extends AsyncDisposable {
  running: RunningVm;
  agent: GuestAgent;
}

/**
 * Brings up a second guest of a VM with the drives and the shape of `record`, beside the one that runs, if
 * any: restored from `from`, or booted. Changes no record; the caller has set `hasSecondVmm`. After a failure
 * or an abort nothing of it is left.
 *
 * @throws {AppError} as `bootVm`.
 */
export async function startSecond(
  world: Pick<Vms, 'log' | 'records'> &
    VmHost &
    Pick<GuestWaits, 'bootDeadlineMs'> &
    Pick<UnrecordedVms, 'connector'>,
  record: VmRecord,
  {
    plan: { boot, driver, probe },
    from,
    signal,
    report,
  }: Task & { plan: VmPlan; from: SavedGuest | undefined },
): Promise<SecondVm> {
  await using undo = new ResourceStack();
  const reading = readHostContent(world, { signal });
  const runtimeDir = await world.files.createSecondRuntime(record.id);
  undo.defer('remove its runtime folder', () => world.files.sweepRuntimes(record.id));
  const spec = { ...vmSpecOf(world, record, { boot, accelerator: probe.accelerator }), runtimeDir };
  report({ event: 'progress', stage: 'start', detail: probe.version ?? driver.name });
  const onVmm = (): void => report({ event: 'progress', stage: 'restore' });
  const running = from
    ? await driver.restore(spec, from, { signal, onVmm })
    : await driver.start(spec, { signal });
  undo.defer('kill the VMM', () => running.kill());
  let link: GuestAgent | undefined;
  undo.defer('close the link', async () => await link?.[Symbol.asyncDispose]());
  const meet: ReachOptions['meet'] = async (how) => {
    const vmName = (): string => world.records.get(record.id)?.name ?? record.name;
    const vmUser = (): string | undefined => ordinaryUser(record.user);
    const agent = await connectAgent(world.connector, running, { ...how, vmId: record.id, vmName, vmUser });
    link = agent;
    return agent;
  };
  const content = await reading;
  report({ event: 'progress', stage: from ? 'agent' : 'boot', detail: 'waiting for the guest' });
  const isRestored = from !== undefined;
  const agent = await reachReady(world, record, { report, signal, running, content, isRestored, meet });
  const owned = undo.move();
  return { running, agent, [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose]() };
}

/** A record without `hasSecondVmm`. */
export function withoutSecond({ hasSecondVmm: _, ...record }: VmRecord): VmRecord {
  return record;
}

/**
 * Ends every VMM of a VM but the one on record: a daemon that crashed while one replaced the other may have
 * left two. Idempotent. The caller holds the VM's lock, or is the only one that knows the VM.
 *
 * @throws {AppError} VMM_KILL_FAILED.
 */
export async function endSecondVmm(
  world: Pick<Vms, 'records'> & Pick<VmHost, 'drivers' | 'files'>,
  record: VmRecord,
): Promise<VmRecord> {
  const { id, state, runtime } = record;
  const except = state === 'running' ? runtime?.vmm : undefined;
  await killStrays(world, { vmId: id, ...world.files.folders(id) }, except ? { except } : {});
  await world.files.sweepRuntimes(id);
  return world.records.update(withoutSecond(record));
}
