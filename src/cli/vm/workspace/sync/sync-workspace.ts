import { AppError } from '../../../../base/errors.ts';
import { formatSize } from '../../../../base/text/size.ts';
import type { CommandContext } from '../../../context/context.ts';
import type { Invocation } from '../../../program/command.ts';
import type { SYNC_OPTIONS } from '../options.ts';
import { copyRequestOf } from './copy-request.ts';

/** Copies what has changed in the working tree of a VM, once or as it changes. Returns the exit status. */
export async function syncWorkspace(
  { args: [ref = ''], options }: Invocation<typeof SYNC_OPTIONS>,
  context: CommandContext,
): Promise<number> {
  const { signal } = context;
  if (options.watch && options.json) {
    throw new AppError('USAGE_OPTIONS', 'Cannot use --watch with --json', {
      hint: 'leave one of them out',
      details: { field: 'json' },
    });
  }
  const client = await context.client();
  const vm = await client.showVm(ref, { signal });
  const { name, workspace } = vm;
  if (!workspace) {
    throw new AppError('WORKSPACE_UNKNOWN', `Cannot sync "${name}": no working tree was copied into it`, {
      hint: `copy one first: banger vm workspace prepare ${name} PATH`,
    });
  }
  if (options.watch) {
    const { watchAndSync } = await import('./watch-and-sync.ts');
    return await watchAndSync(vm, workspace, context);
  }
  const request = copyRequestOf(workspace);
  const prepared = await context.follow(client.prepareWorkspace(vm.id, request, { signal }), 'vm workspace');
  if (options.json) await context.printJson(prepared);
  else if (prepared.bytes === 0) context.notice('nothing has changed');
  else await context.print(`${name}: sent ${formatSize(prepared.bytes)} to ${prepared.guestPath}`);
  return 0;
}
