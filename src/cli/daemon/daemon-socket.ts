import { defineCommand } from '../program/command.ts';

/** `banger daemon socket` */
export const daemonSocket = defineCommand({
  path: ['daemon', 'socket'],
  summary: "print the path of the daemon's socket",
  description:
    "Prints where the daemon's API is: HTTP over a Unix socket. Does not start the daemon; when it does not run, prints where it will be.",
  examples: [
    {
      command: 'curl --unix-socket "$(banger daemon socket)" http://localhost/v1/vms',
      does: 'The list of VMs, as the API gives it.',
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
