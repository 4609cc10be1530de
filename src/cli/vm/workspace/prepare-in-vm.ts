import { AppError } from '../../../base/errors.ts';
import { plural } from '../../../base/text/words.ts';
import { WORKSPACE_MODES, type WorkspaceMode } from '../../../protocol/api/workspace.ts';
import type { CommandContext } from '../../context/context.ts';
import type { Invocation } from '../../program/command.ts';
import { ProblemList } from '../../program/problems.ts';
import { guestFolder } from '../guest-path.ts';
import type { PREPARE_OPTIONS } from './options.ts';
import { announceUntracked, workspaceChoiceOf } from './workspace-options.ts';

/** Copies a working tree into a running VM, or says what it would copy. Returns the exit status. */
export async function prepareInVm(
  { args: [ref = '', path = '.'], options }: Invocation<typeof PREPARE_OPTIONS>,
  context: CommandContext,
): Promise<number> {
  const { signal } = context;
  const problems = new ProblemList();
  const choice = workspaceChoiceOf(path, options, { cwd: () => context.io.cwd, problems });
  const { guestPath: folder } = options;
  const mode = problems.attempt(() => (options.mode === undefined ? undefined : modeOf(options.mode)));
  const guestPath = problems.attempt(() => folder && guestFolder(folder, '--guest-path'));
  problems.throwAny();
  const workspace = { ...(choice ?? { path }), ...(mode ? { mode } : {}) };
  if (options.dryRun) {
    const { printDryRun } = await import('./dry-run.ts');
    return await printDryRun(workspace, { context, isJson: options.json });
  }
  const client = await context.client();
  const vm = await client.showVm(ref, { signal });
  const request = {
    ...workspace,
    ...(guestPath ? { guestPath } : {}),
    ...(options.discardGuest ? { discardGuest: true } : {}),
  };
  const prepared = await context.follow(client.prepareWorkspace(vm.id, request, { signal }), 'vm workspace');
  announceUntracked(prepared, workspace, context);
  if (options.json) await context.printJson(prepared);
  else
    await context.print(
      `${vm.name}: ${plural(prepared.trackedCount, 'tracked file')} at ${prepared.guestPath}`,
    );
  return 0;
}

function modeOf(given: string): WorkspaceMode {
  const mode = WORKSPACE_MODES.find((one) => one === given);
  if (mode) return mode;
  throw new AppError(
    'USAGE_OPTION_VALUE',
    `Cannot use ${JSON.stringify(given)} for --mode: there is no such mode`,
    {
      hint: `use one of ${WORKSPACE_MODES.join(', ')}`,
      details: { field: 'mode', value: given, allowed: WORKSPACE_MODES },
    },
  );
}
