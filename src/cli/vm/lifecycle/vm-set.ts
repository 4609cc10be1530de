import { defineCommand } from '../../program/command.ts';
import { ALLOW_OPTION } from '../allow-option.ts';
import { EXPOSE_HOST_OPTION } from '../expose-host-option.ts';
import { SECRET_OPTION } from '../secret-option.ts';
import { SEVERAL_VMS, VM_ACTION_OPTIONS, VM_REFS } from '../vm-action-options.ts';

/** `banger vm set` */
export const vmSet = defineCommand({
  path: ['vm', 'set'],
  summary: 'change the shape of stopped VMs, or the network of any VM',
  description: [
    'Changes the CPUs, the memory or the work disk of VMs. These must be stopped; the next start uses the new shape. --nat lets guests open connections to the outside, and --no-nat prevents it; --allow restricts them to what its rules allow, and the rules stay when the guest is cut off and connected again. For running VMs this takes effect at once, also for connections that are open.',
    `A work disk can grow, and its file system grows when the VM starts; it cannot shrink. ${SEVERAL_VMS}`,
  ].join(' '),
  examples: [
    {
      command: 'banger vm set --vcpu 4 --memory 8192 web',
      does: 'More CPUs and memory from the next start on.',
    },
    { command: 'banger vm set --nat web', does: 'Connects the guest to the network while it runs.' },
    {
      command: 'banger vm set --allow @npm --allow example.com:443 web',
      does: 'Lets the guest reach these, and nothing else outside if it had no rules.',
    },
    {
      command: 'banger vm set --expose-host 5432 web',
      does: 'Lets the guest reach a database of this host as localhost:5432.',
    },
    { command: 'banger vm set --disk-size 20G web', does: 'A larger work disk; its files stay.' },
  ],
  args: [VM_REFS],
  options: {
    vcpu: { type: 'value', value: 'count', summary: 'virtual CPUs' },
    memory: { type: 'value', value: 'MiB', summary: 'memory in MiB' },
    diskSize: {
      type: 'value',
      value: 'size',
      summary: 'size of the work disk at /root, at least its current size',
    },
    nat: { type: 'flag', summary: 'let the guest open connections to the outside' },
    noNat: { type: 'flag', summary: 'cut the guest off from the outside' },
    allow: { ...ALLOW_OPTION, summary: `add a rule: ${ALLOW_OPTION.summary}` },
    disallow: {
      type: 'list',
      value: 'rule',
      summary: 'take a rule away; without its last rule, a guest reaches nothing outside',
    },
    allowAll: { type: 'flag', summary: 'take all rules away, and let the guest reach everything outside' },
    secret: { ...SECRET_OPTION, summary: `add a secret, or give one again: ${SECRET_OPTION.summary}` },
    exposeHost: { ...EXPOSE_HOST_OPTION, summary: `add ${EXPOSE_HOST_OPTION.summary}` },
    unexposeHost: {
      type: 'list',
      value: 'port',
      summary: 'a port of this host that the guest reaches no more; connections that are open stay',
    },
    removeSecret: { type: 'list', value: 'name', summary: 'take a secret away, by the NAME of its variable' },
    ...VM_ACTION_OPTIONS,
  },
  async run({ args, options }, context) {
    const { setRequestOf } = await import('./set-request.ts');
    const request = setRequestOf(options, context.io);
    const { forEachVm } = await import('../for-each-vm.ts');
    const { shapeLine } = await import('../../render/format.ts');
    return await forEachVm(
      args,
      {
        verb: 'set',
        outcome: ({ shape, nat }) => `${shapeLine(shape)}${nat ? ' | nat' : ''}`,
        work: (client, ref, signal) => client.setVm(ref, request, { signal }),
        isJson: options.json,
        isQuiet: options.quiet,
        isTimed: options.timings,
      },
      context,
    );
  },
});
