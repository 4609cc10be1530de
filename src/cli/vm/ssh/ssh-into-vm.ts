import { execInherit } from '../../../base/process/exec.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { stillRunning } from '../../render/still-running.ts';
import { matchingFolder } from '../start-folder.ts';
import { commandLine, loginShellLine } from './guest-line.ts';
import { guestTerm } from './guest-term.ts';
import { sshArgv } from './ssh-argv.ts';

/** The checked command line of `vm ssh`. */
export interface SshPlan {
  ref: string;
  /** empty: a login shell */
  command: readonly string[];
  hasTerminal: boolean;
}

/**
 * Logs in to a VM with ssh(1) on our terminal. Returns the exit status of ssh: that of the command, or 255
 * when ssh itself failed. A login shell starts in the VM's workspace, a command in the home of the guest's
 * user.
 */
export async function sshIntoVm(plan: SshPlan, context: CommandContext): Promise<number> {
  const { signal, io } = context;
  const client = await context.client();
  const isShell = plan.command.length === 0;
  const hasTerminal = (isShell || plan.hasTerminal) && io.stdin.isTTY === true;
  const { TERM: term } = io.env;
  const [access, line, knownTerm] = await Promise.all([
    client.sshAccess(plan.ref, { signal }),
    isShell ? shellLineOf(plan.ref, { client, context }) : commandLine(plan.command),
    hasTerminal && term ? guestTerm(plan.ref, { client, term, signal }) : term,
  ]);
  context.progress.clear();
  const argv = sshArgv({
    access,
    ownArgv: io.ownArgv,
    ownerPid: process.pid,
    line,
    hasTerminal: isShell ? line !== undefined : plan.hasTerminal,
  });
  const status = await execInherit(argv, { signal, env: { ...io.env, TERM: knownTerm } });
  if (isShell) {
    const vms = await client.listVms({ signal });
    const vm = vms.find(({ id }) => id === access.vm.id);
    if (vm) context.notice(stillRunning(vm));
  }
  return status;
}

/** Returns the line that starts a login shell in the workspace; `undefined` for a VM without one. */
async function shellLineOf(
  ref: string,
  { client, context: { io, signal } }: { client: BangerClient; context: CommandContext },
): Promise<string | undefined> {
  const { workspace } = await client.showVm(ref, { signal });
  if (!workspace) return undefined;
  return loginShellLine([matchingFolder(workspace, io.cwd), workspace.guestPath]);
}
