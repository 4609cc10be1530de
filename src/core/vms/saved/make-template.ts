import { randomBytes } from 'node:crypto';
import { type Abortable, sleep, withDeadline } from '../../../base/abort.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import type { Report, Task } from '../../../protocol/events.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { TemplatePlace } from '../../ports/templates.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import type { DriveSpec } from '../../ports/vmm/spec.ts';
import { placeholderIdentity } from '../guest/personalise.ts';
import { driveRequestOf } from '../plan/make-plan.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
import { specWithoutRecord } from '../plan/vm-spec.ts';
import { whileRunning } from '../while-running.ts';
import type { GuestWaits, UnrecordedVms, VmHost, WarmStarts } from '../world.ts';
import { warmUp } from './warm-up.ts';

/** `ms` for a booted guest to run once what a VM's first commands need. */
const WARM_UP_DEADLINE_MS = 60_000;

/** Time for the agent to notice that the link is closed and to wait for the next host before it is saved. */
const FAREWELL_MS = 150;

/** What making a template works on. */
export type TemplateWorld = Pick<VmHost, 'files'> &
  Pick<GuestWaits, 'bootDeadlineMs'> &
  Pick<WarmStarts, 'quiet'> &
  Pick<UnrecordedVms, 'connector' | 'unrecorded'>;

/**
 * Boots a VM without a record from blank drives, waits until it is idle, and saves it in `place`; returns its
 * drives, which are there too. It gets no identity of its own: each VM made from it gets one. After a failure
 * or an abort no VMM runs; the caller removes the files in the place.
 *
 * @throws {AppError} as booting a VM; WAIT_TIMEOUT when the guest does not come up; VMM_SAVE_FAILED.
 */
export async function makeTemplate(
  world: TemplateWorld,
  { plan, place, report }: { plan: VmPlan; place: TemplatePlace; report: Report },
  { signal }: Abortable,
): Promise<readonly DriveSpec[]> {
  const vmId = randomBytes(6).toString('hex');
  using _unrecorded = world.unrecorded.add(vmId);
  await using undo = new ResourceStack();
  undo.defer('remove the folders', () => world.files.remove(vmId));
  await world.files.create(vmId);
  const drives = await plan.driver.prepareDrives(driveRequestOf(plan, { dir: place.dir }), { signal });
  const spec = specWithoutRecord(world, vmId, { plan, drives });
  report({ event: 'progress', stage: 'template', detail: 'booting' });
  const running = await plan.driver.start(spec, { signal });
  undo.defer('kill the VMM', () => running.kill());
  await whileRunning(running, (inner) => makeQuiet(world, running, { ...inner, report, image: plan.image }), {
    signal,
    what: 'make a warm template',
  });
  await sleep(FAREWELL_MS, { signal });
  report({ event: 'progress', stage: 'template', detail: 'saving' });
  await running.save({ spec, to: place.saved }, { signal });
  return drives;
}

/** Waits until the guest has booted and is idle. */
async function makeQuiet(
  world: Pick<GuestWaits, 'bootDeadlineMs'> & Pick<WarmStarts, 'quiet'> & Pick<UnrecordedVms, 'connector'>,
  running: RunningVm,
  { signal, report, image }: Task & Pick<VmPlan, 'image'>,
): Promise<void> {
  const deadlineMs = world.bootDeadlineMs;
  const booting = { signal, deadlineMs, what: 'the guest to boot' };
  await using agent = await withDeadline(
    (inner) => reachServices(world, running, { image, signal: inner }),
    booting,
  );
  report({ event: 'progress', stage: 'template', detail: 'waiting for the guest to go quiet' });
  const calmDown = async (inner: AbortSignal): Promise<void> => {
    await warmUp(agent, { signal: inner });
    // It is mounted; but this lets the agent find its device, which a restored guest then knows.
    await agent.personalise({ workDisk: 'mount' }, { signal: inner });
    await settle(agent, { ...world.quiet, signal: inner });
    await agent.sync({ signal: inner });
  };
  const quiet = { signal, deadlineMs: WARM_UP_DEADLINE_MS, what: 'the guest to go quiet' };
  await withDeadline(calmDown, quiet);
}

/** The link to a guest whose services are up. */
async function reachServices(
  world: Pick<GuestWaits, 'bootDeadlineMs'> & Pick<UnrecordedVms, 'connector'>,
  running: RunningVm,
  { image, signal }: Abortable & Pick<VmPlan, 'image'>,
): Promise<GuestAgent> {
  await using undo = new ResourceStack();
  const agent = await world.connector.connect(running.guestEndpoint, {
    signal,
    helloDeadlineMs: world.bootDeadlineMs,
  });
  undo.defer('close the link', async () => await agent[Symbol.asyncDispose]());
  await agent.personalise(placeholderIdentity(image), { signal });
  await agent.ready({ signal });
  undo.move();
  return agent;
}

/** Waits until the guest is idle or the deadline passes; a guest that is never idle is saved anyway. */
async function settle(
  agent: GuestAgent,
  { signal, ...quiet }: Abortable & WarmStarts['quiet'],
): Promise<void> {
  const endsAt = performance.now() + quiet.deadlineMs;
  let before = (await agent.stats({ signal })).cpu;
  for (let quietRounds = 0; quietRounds < 2 && performance.now() < endsAt; ) {
    await sleep(quiet.everyMs, { signal });
    const now = (await agent.stats({ signal })).cpu;
    const share = (now.busyMs - before.busyMs) / Math.max(1, now.totalMs - before.totalMs);
    quietRounds = share < quiet.share ? quietRounds + 1 : 0;
    before = now;
  }
}
