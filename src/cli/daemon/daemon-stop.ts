import { defineCommand } from '../program/command.ts';

/** `banger daemon stop` */
export const daemonStop = defineCommand({
  path: ['daemon', 'stop'],
  summary: 'stop the daemon; VMs keep running',
  description:
    'Lets the daemon finish its current work, and waits until it has exited. VMs keep running; the next command starts a daemon that takes them over. Where banger system install has made it a service, stops that and the helper, which needs root; sudo banger system restart starts them again.',
  examples: [{ command: 'banger daemon stop', does: 'After an update, so that the new version runs.' }],
  args: [],
  options: { json: { type: 'flag', summary: 'print the outcome as JSON' } },
  async run({ options }, context) {
    const { stopDaemon, stopServices } = await import('./stop-daemon.ts');
    const outcome = await (context.paths().isService ? stopServices(context) : stopDaemon(context));
    if (options.json) await context.printJson({ outcome });
    else await context.print(outcome);
    return 0;
  },
});
