import { AppError } from '../../../base/errors.ts';
import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm logs` */
export const vmLogs = defineCommand({
  path: ['vm', 'logs'],
  summary: "print a VM's console or its VMM's log",
  description:
    "Prints what the guest's kernel and init have written to the console since the VM was made, or the output of the VMM itself. It works for stopped VMs too.",
  examples: [
    { command: 'banger vm logs web', does: 'The console of a VM: where to look when it does not start.' },
    {
      command: 'banger vm logs -f web',
      does: 'Also prints new output, until Ctrl-C or until the VM is deleted.',
    },
    { command: 'banger vm logs --vmm web', does: 'The output of QEMU.' },
  ],
  args: [ONE_VM],
  options: {
    follow: { type: 'flag', short: 'f', summary: 'keep printing new output' },
    console: { type: 'flag', summary: "the guest's console (the default)" },
    vmm: { type: 'flag', summary: "the VMM's own output" },
  },
  async run({ args: [ref = ''], options }, context) {
    if (options.console && options.vmm) {
      throw new AppError('USAGE_OPTIONS', 'Cannot use --console with --vmm: they exclude each other', {
        hint: 'give one of them, or none for the console',
        details: { field: 'vmm' },
      });
    }
    const { passText } = await import('../../context/pass-text.ts');
    const { signal } = context;
    const client = await context.client();
    const kind = options.vmm ? 'vmm' : 'console';
    const log = client.vmLogs(ref, { kind, isFollowed: options.follow, signal });
    context.progress.clear();
    await passText(log, { sink: context.stdout, signal });
    return 0;
  },
});
