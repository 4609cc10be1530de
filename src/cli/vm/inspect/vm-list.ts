import type { Vm } from '../../../protocol/vm.ts';
import { defineCommand } from '../../program/command.ts';

/** `banger vm list` */
export const vmList = defineCommand({
  path: ['vm', 'list'],
  summary: 'list VMs',
  description: 'Lists the running VMs, or all of them.',
  examples: [
    { command: 'banger vm list', does: 'The running VMs.' },
    { command: 'banger vm list --all', does: 'Stopped ones too.' },
    { command: 'banger vm delete $(banger vm list --latest -q)', does: 'Deletes the newest VM.' },
    { command: 'banger vm delete $(banger vm list --all -q)', does: 'Deletes every VM.' },
  ],
  args: [],
  options: {
    all: { type: 'flag', short: 'a', summary: 'also VMs that are not running' },
    latest: { type: 'flag', summary: 'only the newest VM, running or not' },
    quiet: { type: 'flag', short: 'q', summary: 'print ids only' },
    json: { type: 'flag', summary: 'print the records as a JSON array' },
  },
  async run({ options }, context) {
    const client = await context.client();
    const found = await client.listVms({ isAll: options.all || options.latest, signal: context.signal });
    const vms = options.latest ? newest(found) : found;
    if (options.json) await context.printJson(vms);
    else if (options.quiet) await context.print(vms.map(({ id }) => `${id}\n`).join(''));
    else {
      const { vmTable } = await import('../../render/vm.ts');
      await context.print(vmTable(vms, { nowMs: Date.now(), width: context.stdout.columns }));
    }
    return 0;
  },
});

/**
 * Returns the newest VM. The list is in order of creation, so of several from the same moment the last one
 * wins.
 */
function newest(vms: readonly Vm[]): Vm[] {
  const made = (vm: Vm): number => Date.parse(vm.createdAt);
  const last = vms.reduce<Vm | undefined>(
    (best, vm) => (best === undefined || made(vm) >= made(best) ? vm : best),
    undefined,
  );
  return last === undefined ? [] : [last];
}
