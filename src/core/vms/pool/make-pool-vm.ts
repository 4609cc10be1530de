import { randomBytes } from 'node:crypto';
import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { ResourceStack } from '../../../base/resource-stack.ts';
import { ordinaryUser } from '../../../protocol/guest-user.ts';
import type { GuestAgent } from '../../ports/guest.ts';
import type { StoredTemplate } from '../../ports/templates.ts';
import { connectAgent } from '../guest/connect-agent.ts';
import { placeholderIdentity } from '../guest/personalise.ts';
import { holdBoot } from '../plan/hold-boot.ts';
import { driveRequestOf } from '../plan/make-plan.ts';
import { specWithoutRecord } from '../plan/vm-spec.ts';
import { warmUp } from '../saved/warm-up.ts';
import { whileRunning } from '../while-running.ts';
import type { BootStores, UnrecordedVms, VmHost, Vms } from '../world.ts';
import type { PoolRequest, PoolVm } from './pool-vm.ts';

/** `ms` in total: a host that needs longer is too busy to prepare for a later start. */
const DEADLINE_MS = 30_000;

/** What making a pool VM works on. */
export type PoolVmWorld = Pick<VmHost, 'files'> &
  Pick<Vms, 'records'> &
  BootStores &
  Pick<UnrecordedVms, 'connector' | 'unrecorded'>;

/** What a pool VM is made from. */
export interface MakePoolVmRequest extends Pick<PoolRequest, 'plan' | 'key'> {
  template: StoredTemplate;
  /** it practises all that a claim and a first command may need; otherwise only what each of them needs */
  isPractised: boolean;
}

/**
 * Makes a pool VM. When `hurry` aborts, warming up ends with its current step. After a failure or an abort
 * nothing of it is left.
 *
 * @throws {AppError} as restoring a VM; WAIT_TIMEOUT.
 */
export async function makePoolVm(
  world: PoolVmWorld,
  { plan, key, template, isPractised }: MakePoolVmRequest,
  { hurry, ...options }: Abortable & { hurry: AbortSignal },
): Promise<PoolVm> {
  const vmId = randomBytes(6).toString('hex');
  return await withDeadline(
    async (signal) => {
      await using undo = new ResourceStack();
      const unrecorded = world.unrecorded.add(vmId);
      undo.defer('forget it', () => unrecorded[Symbol.dispose]());
      undo.defer('remove the folders', () => world.files.remove(vmId));
      const { dir } = await world.files.create(vmId);
      await holdBoot(world, plan, { holderDir: dir, signal });
      const drives = await plan.driver.prepareDrives(driveRequestOf(plan, { dir, copyOf: template.drives }), {
        signal,
      });
      const spec = specWithoutRecord(world, vmId, { plan, drives });
      const running = await plan.driver.restore(spec, template.saved, { signal });
      undo.defer('kill the VMM', () => running.kill());
      // The VM that claims it keeps the link; its record then says whose the commands are.
      const vmName = (): string | undefined => world.records.get(vmId)?.name;
      const vmUser = (): string | undefined => ordinaryUser(world.records.get(vmId)?.user);
      const meeting = { vmId, vmName, vmUser, signal, helloDeadlineMs: DEADLINE_MS, isRestored: true };
      const agent = await connectAgent(world.connector, running, meeting);
      undo.defer('close the link', async () => await agent[Symbol.asyncDispose]());
      const warm = (inner: Abortable): Promise<void> =>
        getReady(agent, { ...inner, isPractised, hurry, image: plan.image });
      await whileRunning(running, warm, { signal, what: 'warm the guest up' });
      undo.move();
      const { memoryMib } = plan.shape;
      const driverName = plan.driver.name;
      return { vmId, key, memoryMib, driverName, drives, running, agent, unrecorded };
    },
    { ...options, deadlineMs: DEADLINE_MS, what: 'a pool VM' },
  );
}

/**
 * Runs what a first command needs, so that the user's first command finds its files in memory and its code
 * translated by the emulator. What every claim needs comes first.
 */
async function getReady(
  agent: GuestAgent,
  {
    isPractised,
    hurry,
    image,
    signal,
  }: Abortable & Pick<PoolRequest['plan'], 'image'> & { isPractised: boolean; hurry: AbortSignal },
): Promise<void> {
  if (hurry.aborted) return;
  await agent.personalise(placeholderIdentity(image), { signal });
  await warmUp(agent, { signal, hurry, isLeast: !isPractised });
  if (isPractised && !hurry.aborted) await practiseReplacing(agent, { signal });
}

/**
 * Lets the guest do once what it will do when its work disk is replaced: the second time is quicker. A guest
 * that cannot release its disk is still of use to VMs without a base.
 */
async function practiseReplacing(agent: GuestAgent, options: Abortable): Promise<void> {
  try {
    await agent.personalise({ workDisk: 'release' }, options);
  } catch (error) {
    if (!isAppError(error, 'GUEST_FAILED')) throw error;
  }
  await agent.personalise({ workDisk: 'mount' }, options);
}

/**
 * Ends a pool VM that is not claimed; nothing of it is left. Idempotent. @throws {AppError} VMM_KILL_FAILED
 */
export async function endPoolVm(
  world: Pick<VmHost, 'files'>,
  { vmId, running, agent, unrecorded }: PoolVm,
): Promise<void> {
  await agent[Symbol.asyncDispose]();
  await running.kill({ areDrivesGivenUp: true });
  await world.files.remove(vmId);
  unrecorded[Symbol.dispose]();
}
