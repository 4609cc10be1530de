import { defineCommand } from '../command.ts';

/** `banger vm show` */
export const vmShow = defineCommand({
  path: ['vm', 'show'],
  summary: "print a VM's record as JSON",
  description: 'Prints everything that is known of a VM, as JSON. It fails when there is no such VM.',
  examples: [
    { command: 'banger vm show web', does: 'The record of the VM web.' },
    { command: 'banger vm show web | jq -r .state', does: 'Its state, such as running or stopped.' },
  ],
  args: [
    { name: 'vm', summary: "the VM's name, id, or unique start of its id", isRequired: true, kind: 'vm' },
  ],
  options: {},
  async run({ args: [ref = ''] }, context) {
    const client = await context.client();
    await context.printJson(await client.showVm(ref, { signal: context.signal }));
    return 0;
  },
});
