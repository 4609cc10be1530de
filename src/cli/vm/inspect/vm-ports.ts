import { defineCommand } from '../../program/command.ts';

/** `banger vm ports` */
export const vmPorts = defineCommand({
  path: ['vm', 'ports'],
  summary: 'list what guests listen on',
  description: [
    'Lists the ports on which programs in VMs listen, with the name of the program, and a link if it answers like a web server. Without a VM, it lists those of all VMs that are running or suspended. It asks the agent in the guest, which needs no network; a suspended VM is not resumed for it. If one VM fails, the others are still listed, and the exit status is 1.',
    '',
    'Each TCP port also listens on the VM\'s own address on this host, within a second. A connection there resumes a suspended VM. A port that this user may not use is 8000 higher there ("moved").',
  ].join('\n'),
  examples: [
    { command: 'banger vm ports', does: 'The ports of all VMs.' },
    { command: 'banger vm ports web', does: 'The ports of one VM.' },
    {
      command: 'banger vm ports web db --json',
      does: 'Those of two, with addresses and process ids, as a JSON array.',
    },
  ],
  args: [
    {
      name: 'vm',
      summary: 'names, ids or unique id prefixes',
      isRequired: false,
      isVariadic: true,
      kind: 'vm',
    },
  ],
  options: { json: { type: 'flag', summary: 'print a JSON array with one item per VM' } },
  async run({ args, options }, context) {
    const { listPorts } = await import('./list-ports.ts');
    const { found, status } = await listPorts(args, context);
    if (options.json) await context.printJson(found);
    else if (found.length > 0) {
      const { movedNote, portsTable } = await import('./render-usage.ts');
      await context.print(portsTable(found, { width: context.stdout.columns }));
      const note = movedNote(found);
      if (note) context.notice(note);
    } else if (status === 0) context.notice('no VM runs or is suspended: banger vm list --all');
    return status;
  },
});
