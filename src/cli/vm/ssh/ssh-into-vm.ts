import { execInherit } from '../../../base/process/exec.ts';
import type { CommandContext } from '../../context/context.ts';
import { stillRunning } from '../../render/still-running.ts';
import { sshArgv } from './ssh-argv.ts';

/** What `vm ssh` was asked to do. */
export interface SshPlan {
  ref: string;
  /** empty: a login shell */
  command: readonly string[];
  hasTerminal: boolean;
}

/**
 * Logs in to a VM with ssh(1) on our own terminal, and gives its exit status: the command's, or 255 when ssh
 * itself failed.
 */
export async function sshIntoVm(
  { ref, command, hasTerminal }: SshPlan,
  context: CommandContext,
): Promise<number> {
  const { signal, io } = context;
  const client = await context.client();
  const access = await client.sshAccess(ref, { signal });
  context.progress.clear();
  const argv = sshArgv({ access, ownArgv: io.ownArgv, ownerPid: process.pid, command, hasTerminal });
  const status = await execInherit(argv, { signal });
  if (command.length === 0) {
    const vms = await client.listVms({ signal });
    const vm = vms.find(({ id }) => id === access.vm.id);
    if (vm) context.notice(stillRunning(vm));
  }
  return status;
}
