import type { Kernel } from '../../protocol/api/kernel.ts';
import type { Work } from '../../sdk/work.ts';
import type { CommandContext } from '../context/context.ts';
import type { OptionDefinitions } from '../program/command.ts';

/** Options of every command that makes a kernel. */
export const NEW_KERNEL_OPTIONS = {
  verbose: { type: 'flag', short: 'v', summary: 'show each step on a line of its own' },
  json: { type: 'flag', summary: 'print the kernel as JSON' },
} as const satisfies OptionDefinitions;

/** Shows the progress of the work that makes a kernel, and then prints its name, or all of it as JSON. */
export async function followKernel(
  work: Work<Kernel>,
  { label, isJson, context }: { label: string; isJson: boolean; context: CommandContext },
): Promise<number> {
  const begunAt = performance.now();
  const kernel = await context.follow(work, label);
  const { formatElapsed } = await import('../render/format.ts');
  const elapsed = formatElapsed(performance.now() - begunAt);
  context.progress.done(`[${label}] ready in ${context.errorStyle.dim(elapsed)}`);
  if (isJson) await context.printJson(kernel);
  else await context.print(kernel.name);
  return 0;
}
