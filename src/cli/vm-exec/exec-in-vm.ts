import type { CommandContext } from '../context.ts';
import { bytesOfCommand } from '../guest-command.ts';
import { runInGuest, statusOfExit } from '../session/run-session.ts';
import type { ExecPlan } from './plan.ts';

/** Runs a command in a VM that exists, and gives its exit status. Without `workdir` it starts in the VM's workspace. */
export async function execInVm(plan: ExecPlan, context: CommandContext): Promise<number> {
  const client = await context.client();
  const vm = await client.showVm(plan.ref, { signal: context.signal });
  const cwd = plan.workdir ?? (plan.user === undefined ? vm.workspace?.guestPath : undefined);
  const exit = await runInGuest(
    client,
    {
      vmId: vm.id,
      start: {
        argv: bytesOfCommand(plan.command, context.io),
        ...(Object.keys(plan.env).length > 0 ? { env: plan.env } : {}),
        ...(cwd === undefined ? {} : { cwd }),
        ...(plan.user === undefined ? {} : { user: plan.user }),
      },
      isShell: false,
      hasTerminal: plan.hasTerminal,
    },
    context,
  );
  return statusOfExit(exit);
}
