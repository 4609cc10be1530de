import { withDeadline } from '../../../base/abort.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Task } from '../../../protocol/events.ts';
import { checkVmName } from '../../../protocol/vm-name.ts';
import type { VmRecord } from '../../ports/records.ts';
import { findVm } from '../find-vm.ts';
import { AGENT_DEADLINES_MS } from '../guest/agent-deadlines.ts';
import type { Vms } from '../world.ts';

/**
 * Renames a VM. A running guest gets the name as its host name at once or, when it does not answer, at its
 * next start; a notice says so. Renaming a VM to its present name changes nothing.
 *
 * @throws {AppError} VM_NAME_INVALID, VM_NOT_FOUND, VM_NAME_TAKEN; nothing is changed then.
 */
export async function renameVm(
  world: Vms,
  ref: string,
  { name, report, signal }: Task & { name: string },
): Promise<VmRecord> {
  checkVmName(name);
  const { id } = findVm(world.records, ref);
  return await world.locks.run(
    id,
    async ({ signal: held }) => {
      const record = findVm(world.records, id);
      if (record.name === name) return record;
      const renamed = world.records.update({ ...record, name });
      if (renamed.state === 'running') await nameGuest(world, renamed, { report, signal: held });
      return renamed;
    },
    { action: 'rename', report, signal },
  );
}

async function nameGuest(
  world: Pick<Vms, 'live' | 'log'>,
  { id, name }: VmRecord,
  { report, signal }: Task,
): Promise<void> {
  const options = {
    signal,
    deadlineMs: AGENT_DEADLINES_MS.optional,
    what: 'the guest to change its host name',
  };
  try {
    await withDeadline(async (inner) => {
      const agent = await world.live.agent(id, {
        signal: inner,
        helloDeadlineMs: AGENT_DEADLINES_MS.optional,
      });
      await agent.personalise({ hostname: name }, { signal: inner });
    }, options);
  } catch (error) {
    world.log.info('a guest did not change its host name', { vmId: id, error });
    report({
      event: 'notice',
      message: `the guest of "${name}" keeps its old host name until its next start: ${messageOf(error)}`,
    });
  }
}
