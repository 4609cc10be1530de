import { defineCommand } from '../../program/command.ts';
import { SEVERAL_VMS, VM_ACTION_OPTIONS, VM_REFS } from '../vm-action-options.ts';

/** `banger vm wait` */
export const vmWait = defineCommand({
  path: ['vm', 'wait'],
  summary: 'wait until VMs are stopped, running, ready or deleted',
  description: [
    'Waits, and changes nothing. running: the VM has started; ready: the VM is running and its guest answers; stopped: the VM is not running and not starting; deleted: the VM no longer exists.',
    "With --for-port, the VM must be ready and something must listen on that port, at any address of the guest; with --for-command, a command must succeed, which starts in the VM's workspace as the VM's user, and is tried again half a second after it has failed.",
    `It fails on a timeout, and when a VM is deleted while waiting for another state. ${SEVERAL_VMS}`,
  ].join(' '),
  examples: [
    {
      command: 'banger vm wait web',
      does: 'Returns when the VM is stopped, for example by a poweroff in it.',
    },
    { command: 'banger vm wait --until ready --timeout 60s web', does: 'Waits at most a minute.' },
    { command: 'banger vm wait --for-port 8080 web', does: 'Until a server in the VM listens.' },
    {
      command: "banger vm wait --for-command 'curl -fs localhost:8080/health' --timeout 30s web",
      does: 'Until it also answers. When it does not, the last output of the command is shown.',
    },
  ],
  args: [VM_REFS],
  options: {
    until: {
      type: 'value',
      value: 'state',
      kind: ['stopped', 'running', 'ready', 'deleted'],
      summary: 'what to wait for: stopped, running, ready or deleted',
      defaultText: () => 'stopped',
    },
    forPort: {
      type: 'value',
      value: 'port',
      summary: 'wait until something in the guest listens on this TCP port',
    },
    forCommand: {
      type: 'value',
      value: 'command',
      kind: 'other',
      summary: "wait until this command of the guest's shell succeeds; it is tried again and again",
    },
    timeout: {
      type: 'value',
      value: 'time',
      summary: 'maximum time to wait, such as 90s, 5m or 1h30m',
      defaultText: () => '2m with --for-port and --for-command, else no limit',
    },
    ...VM_ACTION_OPTIONS,
  },
  async run({ args, options }, context) {
    const { outcomeOf, waitRequestOf } = await import('./wait-request.ts');
    const request = waitRequestOf(options);
    const { forEachVm } = await import('../for-each-vm.ts');
    return await forEachVm(
      args,
      {
        verb: 'wait',
        outcome: () => outcomeOf(request),
        work: (client, ref, signal) => client.waitForVm(ref, request, { signal }),
        isJson: options.json,
        isQuiet: options.quiet,
        isTimed: options.timings,
      },
      context,
    );
  },
});
