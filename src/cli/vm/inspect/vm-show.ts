import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm show` */
export const vmShow = defineCommand({
  path: ['vm', 'show'],
  summary: "print a VM's record",
  description:
    'Prints everything that is known about a VM: as JSON, as text for people, or only one field, named by its path in the JSON. It fails when there is no such VM.',
  examples: [
    { command: 'banger vm show web', does: 'The record of the VM web, as JSON.' },
    { command: 'banger vm show web --format text', does: 'The same for people.' },
    { command: 'banger vm show web --format .state', does: 'Its state alone, such as running or stopped.' },
    { command: 'banger vm show web | jq -r .shape.memoryMib', does: 'Its memory in MiB.' },
  ],
  args: [ONE_VM],
  options: {
    format: {
      type: 'value',
      value: 'format',
      kind: ['json', 'text'],
      summary: 'json, text, or the path of a field such as .runtime.pid',
      defaultText: () => 'json',
    },
    json: { type: 'flag', summary: 'print JSON (the default)' },
  },
  async run({ args: [ref = ''], options }, context) {
    const { parseShowFormat, showVm } = await import('./render-vm-show.ts');
    const format = parseShowFormat(options.json ? 'json' : (options.format ?? 'json'));
    const client = await context.client();
    const vm = await client.showVm(ref, { signal: context.signal });
    await context.print(showVm(vm, format, { nowMs: Date.now() }));
    return 0;
  },
});
