import { checkVmName } from '../../../protocol/vm-name.ts';
import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm rename` */
export const vmRename = defineCommand({
  path: ['vm', 'rename'],
  summary: 'give a VM another name',
  description:
    'Renames a VM, running or not. A running guest gets the new host name at once; only shells opened afterwards show it.',
  examples: [
    { command: 'banger vm rename calm-otter web', does: 'The VM calm-otter is called web from now on.' },
  ],
  args: [
    ONE_VM,
    { name: 'name', summary: "the new name: 1 to 63 of a-z, 0-9 and '-'", isRequired: true, kind: 'other' },
  ],
  options: {
    quiet: { type: 'flag', short: 'q', summary: 'print nothing on success' },
    json: { type: 'flag', summary: "print the VM's record as JSON" },
  },
  async run({ args: [ref = '', name = ''], options }, context) {
    checkVmName(name);
    const client = await context.client();
    const vm = await context.follow(client.renameVm(ref, name, { signal: context.signal }), 'vm rename');
    if (options.json) await context.printJson(vm);
    else if (!options.quiet) await context.print(`${ref}: renamed to ${vm.name}`);
    return 0;
  },
});
