import { defineCommand } from '../program/command.ts';

/** `banger daemon status` */
export const daemonStatus = defineCommand({
  path: ['daemon', 'status'],
  summary: 'print the state of the daemon',
  description:
    'Prints whether the daemon is running, where its socket and log are, and what it is doing. Does not start it. A daemon that is not running is not a failure: commands that need it start it.',
  examples: [
    { command: 'banger daemon status', does: 'Its state, process id, socket and log.' },
    { command: 'banger daemon status --json | jq .isRunning', does: 'Whether it is running.' },
  ],
  args: [],
  options: { json: { type: 'flag', summary: 'print it as JSON' } },
  async run({ options }, context) {
    const client = await context.clientIfRunning();
    const status = await client?.daemonStatus({ signal: context.signal });
    const paths = context.paths();
    if (options.json) await context.printJson({ isRunning: status !== undefined, ...status });
    else {
      const { daemonSummary } = await import('./render-daemon.ts');
      await context.print(daemonSummary(status, { paths, nowMs: Date.now() }));
    }
    return 0;
  },
});
