import type { CreateVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { Vm } from '../../../protocol/vm.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import type { Devcontainer } from '../../devcontainer/load.ts';
import type { GuestStart } from '../../devcontainer/run/run-step.ts';
import type { RunPlan } from './plan.ts';

/** A run with a `devcontainer.json`, whose image is here. */
export interface DevcontainerRun {
  request: CreateVmRequest;
  /** the working tree is copied to here */
  guestPath: string;
  /** Removes what the image has at `guestPath`. */
  makeRoom(vm: Vm): Promise<void>;
  /** Runs the hooks in the VM, which has its working tree; returns how a command runs then. */
  setUp(vm: Vm): Promise<GuestStart>;
}

/**
 * Reads the file that a plan asks for; `undefined` when it asks for none. Nothing exists yet.
 *
 * @throws {AppError} DEVCONTAINER_*.
 */
export async function openForRun(
  { devcontainer, workspace, env }: RunPlan,
  context: CommandContext,
): Promise<Devcontainer | undefined> {
  if (!devcontainer || !workspace) return undefined;
  const { openDevcontainer } = await import('../../devcontainer/run/open.ts');
  return await openDevcontainer({ ...devcontainer, path: workspace.path, env }, context);
}

/**
 * Refuses a file that {@link openForRun} would refuse. Runs nothing of it.
 *
 * @throws {AppError} DEVCONTAINER_*.
 */
export async function checkForRun(
  { devcontainer, workspace, env }: RunPlan,
  context: CommandContext,
): Promise<void> {
  if (!devcontainer || !workspace) return;
  const { readForRun } = await import('../../devcontainer/run/open.ts');
  readForRun({ ...devcontainer, path: workspace.path, env }, context);
}

/** Builds or pulls the image of a file, and returns the run with it. */
export async function prepareRun(
  found: Devcontainer,
  { plan, client, context }: { plan: RunPlan; client: BangerClient; context: CommandContext },
): Promise<DevcontainerRun> {
  const { planVm } = await import('../../devcontainer/run/plan-run.ts');
  const { request: asked, env, isDetached } = plan;
  const given = plan.devcontainer?.given ?? new Set();
  const { request, config, user } = await planVm(found, { request: asked, given, client, context });
  const { copyTo, workspaceFolder } = found;
  return {
    request,
    guestPath: copyTo,
    async makeRoom(vm) {
      const { clearFolder } = await import('../../devcontainer/run/clear-folder.ts');
      await clearFolder({ client, vm, context }, copyTo);
    },
    async setUp(vm) {
      const { setUpVm } = await import('../../devcontainer/run/set-up.ts');
      const setUp = { config, user, copyTo, workspaceFolder, env, attaches: !isDetached };
      return await setUpVm(vm, setUp, { client, context });
    },
  };
}
