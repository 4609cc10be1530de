import { defineCommand } from '../program/command.ts';

/** `banger daemon status` */
export const daemonStatus = defineCommand({
  path: ['daemon', 'status'],
  summary: 'print how the daemon is',
  description:
    'Prints whether the daemon runs, where its socket and log are, and what it does. Does not start it; a daemon that does not run is no failure: commands that need it start it.',
  examples: [
    { command: 'banger daemon status', does: 'Its state, process id, socket and log.' },
    { command: 'banger daemon status --json | jq .isRunning', does: 'Whether it runs.' },
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

/** `banger daemon stop` */
export const daemonStop = defineCommand({
  path: ['daemon', 'stop'],
  summary: 'stop the daemon; VMs keep running',
  description:
    'Lets the daemon finish what it does, and waits until it has ended. VMs keep running; the next command starts a daemon that takes them over.',
  examples: [{ command: 'banger daemon stop', does: 'After an update, so that the new version runs.' }],
  args: [],
  options: { json: { type: 'flag', summary: 'print what became of it as JSON' } },
  async run({ options }, context) {
    const { stopDaemon } = await import('./stop-daemon.ts');
    const outcome = await stopDaemon(context);
    if (options.json) await context.printJson({ outcome });
    else await context.print(outcome);
    return 0;
  },
});

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

/** `banger daemon logs` */
export const daemonLogs = defineCommand({
  path: ['daemon', 'logs'],
  summary: "print the daemon's log",
  description: 'Prints the last lines of the log, one JSON value a line. Works when the daemon does not run.',
  examples: [
    { command: 'banger daemon logs', does: 'The last lines: where to look when something failed.' },
    { command: 'banger daemon logs -f | jq -r .msg', does: 'Goes on as more comes, until Ctrl-C.' },
  ],
  args: [],
  options: {
    follow: { type: 'flag', short: 'f', summary: 'go on as more comes' },
    lines: { type: 'value', short: 'n', value: 'count', summary: 'how many lines', defaultText: () => '200' },
  },
  async run({ options }, context) {
    const { lineCountOf, printLog } = await import('./print-log.ts');
    const lineCount = lineCountOf(options.lines);
    await printLog(context.paths().daemonLogFile, {
      lineCount,
      isFollowed: options.follow,
      sink: context.stdout,
      signal: context.signal,
    });
    return 0;
  },
});
