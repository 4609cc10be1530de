import { defineCommand } from '../program/command.ts';

/** `banger daemon socket` */
export const daemonSocket = defineCommand({
  path: ['daemon', 'socket'],
  summary: "print the path of the daemon's socket",
  description:
    'Prints the path of the Unix socket on which the daemon serves its HTTP API. Does not start the daemon; if it is not running, prints the path that it will use.',
  examples: [
    {
      command: 'curl --unix-socket "$(banger daemon socket)" http://localhost/v1/vms',
      does: 'The list of VMs from the API.',
    },
  ],
  args: [],
  options: { json: { type: 'flag', summary: 'print it as JSON' } },
  async run({ options }, context) {
    const socketPath = (await context.daemonSocket()) ?? context.paths().daemonSocket;
    if (options.json) await context.printJson({ socketPath });
    else await context.print(socketPath);
    return 0;
  },
});
