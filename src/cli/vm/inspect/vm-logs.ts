import { AppError } from '../../../base/errors.ts';
import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm logs` */
export const vmLogs = defineCommand({
  path: ['vm', 'logs'],
  summary: "print a VM's console or its VMM's log",
  description:
    "Prints what the guest's kernel and init wrote to the console since the VM was made, or what the VMM itself said. It works for stopped VMs too.",
  examples: [
    { command: 'banger vm logs web', does: 'The console of a VM: where to look when it does not start.' },
    { command: 'banger vm logs -f web', does: 'Goes on as more comes, until Ctrl-C or the VM is deleted.' },
    { command: 'banger vm logs --vmm web', does: 'What QEMU said.' },
  ],
  args: [ONE_VM],
  options: {
    follow: { type: 'flag', short: 'f', summary: 'go on as more comes' },
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
