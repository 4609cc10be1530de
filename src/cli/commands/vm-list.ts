import { defineCommand, type Invocation, type OptionDefinitions } from '../command.ts';
import type { CommandContext } from '../context.ts';

const LIST_OPTIONS = {
  quiet: { type: 'flag', short: 'q', summary: 'print ids only' },
  json: { type: 'flag', summary: 'print the records as a JSON array' },
} as const satisfies OptionDefinitions;

/** `banger vm list` */
export const vmList = defineCommand({
  path: ['vm', 'list'],
  summary: 'list VMs',
  description: 'Lists the running VMs, or all of them.',
  examples: [
    { command: 'banger vm list', does: 'The running VMs.' },
    { command: 'banger vm list --all', does: 'Stopped ones too.' },
    { command: 'banger vm delete $(banger vm list --all -q)', does: 'Deletes every VM.' },
  ],
  args: [],
  options: { all: { type: 'flag', short: 'a', summary: 'also those that do not run' }, ...LIST_OPTIONS },
  run: (invocation, context) => list(invocation, { isAll: invocation.options.all, context }),
});

/** `banger ps` */
export const ps = defineCommand({
  path: ['ps'],
  summary: 'list running VMs',
  description: 'Lists the running VMs, as: banger vm list.',
  examples: [{ command: 'banger ps', does: 'The running VMs.' }],
  args: [],
  options: LIST_OPTIONS,
  run: (invocation, context) => list(invocation, { isAll: false, context }),
});

async function list(
  { options }: Pick<Invocation<typeof LIST_OPTIONS>, 'options'>,
  { isAll, context }: { isAll: boolean; context: CommandContext },
): Promise<number> {
  const client = await context.client();
  const vms = await client.listVms({ isAll, signal: context.signal });
  if (options.json) await context.printJson(vms);
  else if (options.quiet) await context.print(vms.map(({ id }) => `${id}\n`).join(''));
  else {
    const { vmTable } = await import('../render/vm.ts');
    await context.print(vmTable(vms, { nowMs: Date.now(), width: context.stdout.columns }));
  }
  return 0;
}
