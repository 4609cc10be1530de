import { AppError } from '../../../base/errors.ts';
import { formatSize } from '../../../base/text/size.ts';
import type { Task } from '../../../protocol/events.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { CapturePlace } from '../../ports/vm-files.ts';
import type { CopiedBytes } from '../../ports/vmm/saving.ts';
import type { DriveSpec } from '../../ports/vmm/spec.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { VmPlan } from '../plan/vm-plan.ts';
import { vmSpecOf } from '../plan/vm-spec.ts';
import { requireRoom } from '../require-room.ts';
import type { VmHost, Vms } from '../world.ts';
import { attachCommands } from './attach-commands.ts';

/**
 * Copies a running VM into `place`: memory, devices and drives, all as of one moment. Returns the copied
 * drives. The VM is paused for `pausedMs` and then runs again. The caller holds its lock. Nothing is left in
 * the place after a failure.
 *
 * @throws {AppError} VM_NOT_RUNNING, VMM_SAVE_FAILED, HOST_NO_SPACE; GUEST_* when its agent does not answer.
 */
export async function captureVm(
  world: Pick<Vms, 'live' | 'log'> & Pick<VmHost, 'files'>,
  source: VmRecord,
  { place, plan, signal, report }: Task & { place: Pick<CapturePlace, 'dir' | 'saved'>; plan: VmPlan },
): Promise<{ drives: readonly DriveSpec[]; pausedMs: number }> {
  const running = world.live.get(source.id);
  if (!running) {
    throw new AppError('VM_NOT_RUNNING', `vm "${source.name}" is no longer running`, {
      hint: `banger vm start ${source.name}`,
    });
  }
  await requireRoom(world, source, { running, what: 'a copy of a running guest', withDrives: true });
  report({ event: 'progress', stage: 'capture', detail: source.name });
  const drives = (source.drives ?? [])
    .filter(({ isReadOnly }) => !isReadOnly)
    .map((drive) => ({ ...drive, pathOnHost: `${place.dir}/${drive.serial}.${drive.format}` }));
  const spec = vmSpecOf(world, source, { boot: plan.boot, accelerator: source.runtime?.accelerator });
  const agent = await world.live.agent(source.id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.answer });
  // Forks lose the link that their commands run over, so commands must outlive it; the source keeps its link.
  await agent.detachCommands(true, { signal });
  try {
    const onCopied = ({ doneBytes, totalBytes }: CopiedBytes): void => {
      const detail = `${source.name}, ${formatSize(doneBytes)} of ${formatSize(totalBytes)}`;
      report({ event: 'progress', stage: 'capture', detail });
    };
    const { pausedMs } = await running.capture({ spec, to: place.saved, drives }, { signal, onCopied });
    return { drives, pausedMs };
  } finally {
    await attachCommands(world, source.id);
  }
}
