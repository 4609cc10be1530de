import { AppError } from '../../../base/errors.ts';
import { changedFiles, diffWorkspace } from '../../../sdk/workspace/diff-workspace.ts';
import type { CommandContext } from '../../context/context.ts';
import type { Invocation } from '../../program/command.ts';
import { cutLines, diffPainter } from './diff-painter.ts';
import { guestRepository } from './guest-repository.ts';
import type { DIFF_OPTIONS } from './options.ts';
import { nameStatusLines, statLines } from './render-changes.ts';

/** Shows the changes in a VM's repository in the form that the options name. Returns the exit status. */
export async function diffOfVm(
  { args: [ref = '', ...paths], options }: Invocation<typeof DIFF_OPTIONS>,
  context: CommandContext,
): Promise<number> {
  const { signal, stdout, style } = context;
  const { baseCommit } = options;
  const { vm, guestPath } = await guestRepository(ref, options, {
    ...{ verb: 'compare', problems: wrongForms(options), context },
  });
  const client = await context.client();
  const which = { guestPath, baseCommit, paths, signal };
  context.progress.step('vm workspace', `comparing ${guestPath}`);
  if (options.stat || options.nameStatus || options.json) {
    const files = await changedFiles(client, vm.id, which);
    if (options.json) await context.printJson(files);
    else if (files.length === 0) context.notice('there are no changes');
    else if (options.nameStatus) await context.print(nameStatusLines(files));
    else await context.print(statLines(files, { style, width: stdout.columns }));
    return 0;
  }
  const format = stdout.isTerminal ? 'text' : 'patch';
  const diff = diffWorkspace(client, vm.id, { ...which, format });
  const paint = diffPainter(style);
  const linesOf = cutLines();
  let isEmpty = true;
  for await (const chunk of diff) {
    context.progress.clear();
    isEmpty = false;
    const shown = stdout.isTerminal ? painted(linesOf(chunk), paint) : chunk;
    if (shown.length > 0) await stdout.write(shown, { signal });
  }
  if (isEmpty) context.notice('there are no changes');
  return 0;
}

function painted(lines: readonly string[], paint: (line: string) => string): string {
  return lines.map((line) => `${paint(line)}\n`).join('');
}

function wrongForms({ stat, nameStatus, json }: Invocation<typeof DIFF_OPTIONS>['options']): AppError[] {
  if ([stat, nameStatus, json].filter(Boolean).length < 2) return [];
  return [
    new AppError('USAGE_OPTIONS', 'Cannot use more than one of --stat, --name-status and --json', {
      hint: '--json has everything that the other two print',
    }),
  ];
}
