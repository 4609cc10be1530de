import type { CreateVmRequest } from '../../../protocol/api/vm-requests.ts';
import type { CommandContext } from '../../context/context.ts';
import { spansOf } from '../../context/spans.ts';
import { defineCommand } from '../../program/command.ts';
import { VM_OPTIONS } from '../vm-options.ts';

/** `banger vm create` */
export const vmCreate = defineCommand({
  path: ['vm', 'create'],
  summary: 'make a VM that stays until it is deleted',
  description:
    'Makes a VM, starts it and waits until commands can run in it. The VM stays until it is deleted. Ctrl-C cancels the creation and removes everything of the VM. With --detach the command does not wait: the daemon continues, and banger operations list, follow and cancel show and control its work.',
  examples: [
    { command: 'banger vm create --name web', does: 'A VM named web, running.' },
    { command: 'banger vm create --vcpu 2 --memory 1024 --disk-size 4G', does: 'A small VM.' },
    {
      command: 'banger vm create --no-start --json',
      does: 'Makes a VM without starting it, and prints its record as JSON.',
    },
  ],
  args: [],
  options: {
    ...VM_OPTIONS,
    noStart: { type: 'flag', summary: 'make it, but do not start it' },
    detach: { type: 'flag', short: 'd', summary: 'do not wait; print the id of the operation that makes it' },
    quiet: { type: 'flag', short: 'q', summary: "print only the VM's id, and failures" },
    verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
    json: { type: 'flag', summary: "print the VM's record as JSON" },
  },
  async run({ options }, context) {
    const { ProblemList } = await import('../../program/problems.ts');
    const { createRequestOf } = await import('../create-request.ts');
    const problems = new ProblemList();
    const request = createRequestOf(options, { settings: await context.settings(), problems, ...context.io });
    problems.throwAny();
    const wanted = { ...request, ...(options.noStart ? { noStart: true } : {}) };
    if (options.detach) return await detach(wanted, { options, context });

    const begunAt = performance.now();
    const client = await context.client();
    const [{ resultOf }, { newsOfCreation }] = await Promise.all([
      import('../../../sdk/work.ts'),
      import('./leave-creation.ts'),
    ]);
    const work = client.createVm(wanted, { signal: context.signal });
    const vm = await resultOf(work, newsOfCreation(context, options.quiet));
    if (!options.quiet) {
      const { formatElapsed } = await import('../../render/format.ts');
      const elapsed = context.errorStyle.dim(formatElapsed(performance.now() - begunAt));
      context.progress.done(`[vm create] ${options.noStart ? 'created' : 'ready'} in ${elapsed}`);
    }
    if (options.json)
      await context.printJson({ ...vm, ...spansOf(context.spans, { isTimed: options.timings }) });
    else if (options.quiet) await context.print(vm.id);
    else {
      const { vmSummary } = await import('../../render/vm.ts');
      await context.print(vmSummary(vm));
    }
    return 0;
  },
});

async function detach(
  request: Omit<CreateVmRequest, 'ephemeral'>,
  {
    options,
    context,
  }: { options: { json: boolean; quiet: boolean; timings: boolean }; context: CommandContext },
): Promise<number> {
  const { leaveCreation } = await import('./leave-creation.ts');
  const left = await leaveCreation(request, { context, isQuiet: options.quiet });
  if (!options.quiet) context.notice(`to see its progress: banger operations follow ${left.operation}`);
  if (options.json)
    await context.printJson({ ...left, ...spansOf(context.spans, { isTimed: options.timings }) });
  else await context.print(left.operation);
  return 0;
}
