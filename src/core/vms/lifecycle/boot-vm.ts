import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { abortable } from '../../../base/async.ts';
import { AppError, isAppError, printable } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { Report, Task } from '../../../protocol/events.ts';
import type { ConnectOptions, GuestAgent } from '../../ports/guest.ts';
import type { HostContent } from '../../ports/host-user.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { DriverProbe } from '../../ports/vmm/driver.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import type { SavedGuest } from '../../ports/vmm/saving.ts';
import type { BootSource } from '../../ports/vmm/spec.ts';
import { waitsForSpace } from '../guest/connect-agent.ts';
import { personalise, readHostContent } from '../guest/personalise.ts';
import { exposeProxies, withProxyPorts } from '../network/proxy-ports.ts';
import { vmSpecOf } from '../plan/vm-spec.ts';
import { requireRoomToStart } from '../require-room.ts';
import { withoutSaved } from '../saved/drop-suspended.ts';
import { driverOf } from '../vm-drivers.ts';
import type { GuestWaits, VmHost, Vms } from '../world.ts';
import { replaceWorkDisk } from './replace-work-disk.ts';
import { watchExit } from './watch-exit.ts';

/** Lines of the console that a failed boot shows. */
const TAIL_LINES = 8;

/** Reports in one line that KVM is not used and what that costs. */
export function noteAccelerator(probe: DriverProbe, report: Report): void {
  if (probe.accelerator !== 'tcg') return;
  report({
    event: 'notice',
    isOncePerBoot: !probe.isForeign,
    message: `${probe.reason ?? 'KVM is not usable here'}: using software emulation (TCG), which runs guest code about 10 times slower`,
  });
}

/** What booting a VM works on. */
export type BootWorld = Vms &
  Pick<VmHost, 'drivers' | 'files' | 'hostUser'> &
  Pick<GuestWaits, 'bootDeadlineMs'>;

/** How a VM is brought up. */
export interface BootOptions extends Task {
  boot: BootSource;
  probe: DriverProbe;
  /** a saved guest to restore with the record's drives, instead of a boot */
  from?: SavedGuest;
  /** called just before the saved guest runs: from then on its drives change */
  beforeRun?: () => void;
  /** see {@link ReadyOptions} */
  isNew?: boolean;
}

/**
 * Brings up a VM whose drives exist until user commands may run: VMM, agent, personalisation, the guest's own
 * init. The record is then `running`. The caller holds the VM's lock. After a failure or an abort no VMM
 * runs, and nothing in the record has changed but its `runtime`.
 *
 * @throws {AppError} what the driver and the guest link throw, HOST_NO_SPACE among it; GUEST_BOOT_FAILED with
 * the end of the console; GUEST_PERSONALISE_FAILED.
 */
export async function bootVm(world: BootWorld, record: VmRecord, options: BootOptions): Promise<VmRecord> {
  const { report, signal, boot, probe, from, beforeRun, isNew = false } = options;
  const accelerator = probe.accelerator ?? 'tcg';
  const spec = vmSpecOf(world, record, { boot, accelerator });
  await world.files.createRuntime(record.id);

  const reading = readHostContent(world, { signal });
  await using undo = new ResourceStack();
  const driver = driverOf(world, record);
  report({ event: 'progress', stage: 'start', detail: probe.version ?? driver.name });
  const onVmm = (): void => report({ event: 'progress', stage: 'restore' });
  const running = from
    ? await driver.restore(spec, from, { signal, onVmm, beforeRun })
    : await driver.start(spec, { signal });
  undo.defer('kill the VMM', () => running.kill());
  const begun = noteRuntime(world, record, { running, probe });
  world.live.add(record.id, running);
  undo.defer('forget the VMM', () => world.live.remove(record.id));
  const content = await reading;
  report({ event: 'progress', stage: from ? 'agent' : 'boot', detail: 'waiting for the guest' });
  const based = from && isNew ? await withOwnWorkDisk(world, begun, { running, signal }) : begun;
  const ready = await makeReady(world, based, {
    report,
    signal,
    running,
    content,
    isRestored: from !== undefined,
    isNew,
  });
  undo.move();
  return ready;
}

/** Gives a guest that was restored from a template a work disk over the base of its VM, if that has one. */
async function withOwnWorkDisk(
  world: BootWorld,
  record: VmRecord,
  { running, signal }: Abortable & { running: RunningVm },
): Promise<VmRecord> {
  const { id, driverName, workBase, drives: from = [] } = record;
  if (!workBase) return record;
  const meeting = { signal, helloDeadlineMs: world.bootDeadlineMs, isRestored: true };
  const agent = await world.live.agent(id, meeting);
  const { diskSizeBytes } = record.shape;
  const replacing = { driverName, running, agent, drives: from, diskSizeBytes, signal };
  const drives = await replaceWorkDisk(world, { id, workBase }, replacing);
  return world.records.update({ ...record, drives });
}

/** Records which process runs the VM; `probe` is what it was started with. */
export function noteRuntime(
  world: Pick<Vms, 'records'>,
  record: VmRecord,
  { running, probe }: { running: RunningVm; probe: DriverProbe },
): VmRecord {
  return world.records.update({ ...record, runtime: runtimeOf(running, probe) });
}

/** What a record says of a VMM that runs. */
export function runtimeOf(
  { vmm }: RunningVm,
  { accelerator = 'tcg', savedGuestKey: key, savedGuestParts: parts }: DriverProbe,
): NonNullable<VmRecord['runtime']> {
  const kind = key !== undefined && parts ? { savedGuestKind: { key, parts } } : {};
  return { vmm, accelerator, startedAt: new Date().toISOString(), ...kind };
}

/** What {@link makeReady} needs to know of a VM that runs. */
export interface ReadyOptions extends Task {
  running: RunningVm;
  content: HostContent;
  /** the guest was restored, so its services are up */
  isRestored: boolean;
  /** no guest with these drives has been personalised for a VM before */
  isNew?: boolean;
}

/**
 * Waits until the guest of a VM whose VMM runs is personalised and may be used. The record is then `running`,
 * and becomes `stopped` when the VMM exits.
 *
 * @throws {AppError} as {@link bootVm}.
 */
export async function makeReady(
  world: BootWorld,
  record: VmRecord,
  options: ReadyOptions,
): Promise<VmRecord> {
  const meet: ReachOptions['meet'] = (how) => world.live.agent(record.id, how);
  await reachReady(world, record, { ...options, meet });
  const { lastError: _, ...well } = withoutSaved(record);
  const ready = world.records.update({
    ...withProxyPorts(well, options.content.outside),
    state: 'running',
  });
  watchExit(world, record.id, options.running);
  return ready;
}

/** What {@link reachReady} needs to know besides. */
export interface ReachOptions extends ReadyOptions {
  /** connects to the guest's agent */
  meet: (options: ConnectOptions) => Promise<GuestAgent>;
}

/**
 * Waits until a guest whose VMM runs is personalised for the record and may be used; changes no record.
 * Returns its agent.
 *
 * @throws {AppError} as {@link bootVm}.
 */
export async function reachReady(
  world: Pick<Vms, 'log'> & Pick<VmHost, 'files' | 'hostUser'> & Pick<GuestWaits, 'bootDeadlineMs'>,
  record: VmRecord,
  { report, signal, running, content, isRestored, isNew = false, meet }: ReachOptions,
): Promise<GuestAgent> {
  // A saved guest needs 0.2 s on an idle host. It may have memory that nothing can bring back: it gets as
  // long as a boot before it is ended, because a busy host cannot be told from a guest that hangs.
  const deadlineMs = world.bootDeadlineMs;
  const died = running.exited.then((): never => {
    throw new AppError(
      'GUEST_BOOT_FAILED',
      `Cannot boot "${record.name}": the VMM ended before the guest was ready`,
    );
  });
  died.catch(() => {});
  try {
    return await withDeadline(
      async (inner) => {
        const boot = async (): Promise<GuestAgent> => {
          const agent = await meet({ signal: inner, helloDeadlineMs: deadlineMs, isRestored });
          report({ event: 'progress', stage: 'personalise' });
          await exposeProxies(record, { running, content, signal: inner });
          await personalise(world, record, { agent, content, running, isNew, report, signal: inner });
          // A restored guest was already ready when it was saved.
          if (isRestored) return agent;
          report({ event: 'progress', stage: 'init', detail: "waiting for the guest's services" });
          await agent.ready({ signal: inner });
          return agent;
        };
        return await abortable(Promise.race([boot(), died]), inner);
      },
      { signal, deadlineMs, what: `the guest "${record.name}" to be ready` },
    );
  } catch (error) {
    signal.throwIfAborted();
    if (running.isStalled) throw waitsForSpace({ vmId: record.id, name: record.name });
    if (isAppError(error, 'GUEST_PERSONALISE_FAILED')) throw error;
    // A guest paused for lack of disk space is resumed now and then, so it may look as if it ran.
    await requireRoomToStart(world);
    const consoleTail = await world.files.logTail(record.id, 'console', TAIL_LINES);
    throw new AppError('GUEST_BOOT_FAILED', `Cannot boot "${record.name}": the guest did not become ready`, {
      hint:
        consoleTail.length > 0
          ? `its console ends: ${printable(consoleTail.slice(-2).join(' | '))}`
          : undefined,
      details: { consoleTail: consoleTail.map(printable) },
      cause: error,
    });
  }
}
