import type { VmForward } from '../../../protocol/vm.ts';
import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm port` */
export const vmPort = defineCommand({
  path: ['vm', 'port'],
  summary: "forward a port of this host to a VM's",
  description: [
    "Forwards a port of 127.0.0.1, and the same port of the VM's own address, to a port of the guest, whether or not something listens there now. It stays until it is removed, also when the VM is stopped and started again. A connection to a suspended VM resumes it.",
    '',
    "Ports on which programs in the guest listen are on the VM's own address without this (banger vm ports).",
  ].join('\n'),
  examples: [
    { command: 'banger vm port db 5432:5432', does: 'psql -h localhost reaches the guest of the VM db.' },
    { command: 'banger vm port web 8080:80', does: 'Port 80 of the guest, as http://localhost:8080.' },
    { command: 'banger vm port --remove web 8080', does: 'Ends that.' },
    {
      command: 'banger vm port --reverse web 5432:5432',
      does: 'The guest reaches a database of this host as localhost:5432, and nothing else of this host.',
    },
  ],
  args: [
    ONE_VM,
    {
      name: 'ports',
      summary: 'the port of this host and that of the guest, HOST:GUEST, or one number for both',
      isRequired: true,
      kind: 'other',
    },
  ],
  options: {
    reverse: {
      type: 'flag',
      summary:
        "the other way: let the guest reach port HOST of this host's 127.0.0.1 as port GUEST of its own",
    },
    remove: { type: 'flag', summary: 'end the forward that listens on that port' },
    quiet: { type: 'flag', short: 'q', summary: 'print nothing on success' },
    json: { type: 'flag', summary: "print the VM's record as JSON" },
  },
  async run({ args: [ref = '', ports = ''], options }, context) {
    const { parseForward } = await import('./parse-forward.ts');
    const forward = parseForward(ports);
    const client = await context.client();
    const isReverse = options.reverse ? { reverse: true } : {};
    const request = { ...forward, ...isReverse, ...(options.remove ? { remove: true } : {}) };
    const vm = await context.follow(client.forwardPort(ref, request, { signal: context.signal }), 'vm port');
    if (options.json) await context.printJson(vm);
    else if (!options.quiet) await context.print(`${vm.name}: ${outcomeOf(forward, options)}`);
    return 0;
  },
});

function outcomeOf(
  { hostPort, guestPort }: VmForward,
  { remove, reverse }: { remove: boolean; reverse: boolean },
): string {
  if (remove) return `port ${reverse ? guestPort : hostPort} is not forwarded`;
  if (reverse) return `its 127.0.0.1:${guestPort} leads to port ${hostPort} of this host`;
  return `127.0.0.1:${hostPort} leads to port ${guestPort} of the guest`;
}
