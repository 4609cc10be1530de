import type { Invocation } from '../command.ts';
import type { CommandContext } from '../context.ts';
import { guestFolder } from '../guest-path.ts';
import { ProblemList } from '../problems.ts';
import { announceUntracked, workspaceChoiceOf } from '../workspace-options.ts';
import type { PREPARE_OPTIONS } from './options.ts';

/** Copies a working tree into a VM that runs, or says what it would copy, and gives the exit status. */
export async function prepareInVm(
  { args: [ref = '', path = '.'], options }: Invocation<typeof PREPARE_OPTIONS>,
  context: CommandContext,
): Promise<number> {
  const { signal } = context;
  const problems = new ProblemList();
  const choice = workspaceChoiceOf(path, options, { cwd: () => context.io.cwd, problems });
  const { guestPath: folder } = options;
  const guestPath = problems.attempt(() => folder && guestFolder(folder, '--guest-path'));
  problems.throwAny();
  const workspace = choice ?? { path };
  if (options.dryRun) {
    const { printDryRun } = await import('../dry-run.ts');
    return await printDryRun(workspace, { context, isJson: options.json });
  }
  const client = await context.client();
  const [vm, summary] = await Promise.all([
    client.showVm(ref, { signal }),
    client.inspectWorkspace(workspace, { signal }),
  ]);
  announceUntracked(summary, workspace, context);
  const request = guestPath ? { ...workspace, guestPath } : workspace;
  const prepared = await context.follow(client.prepareWorkspace(vm.id, request, { signal }), 'vm workspace');
  if (options.json) await context.printJson(prepared);
  else await context.print(`${vm.name}: ${prepared.trackedCount} tracked files at ${prepared.guestPath}`);
  return 0;
}
