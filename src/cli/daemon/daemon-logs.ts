import { defineCommand } from '../program/command.ts';

/** `banger daemon logs` */
export const daemonLogs = defineCommand({
  path: ['daemon', 'logs'],
  summary: "print the daemon's log",
  description:
    'Prints the last lines of the log, one JSON value per line. Works even when the daemon is not running.',
  examples: [
    { command: 'banger daemon logs', does: 'The last lines: where to look when something failed.' },
    { command: 'banger daemon logs -f | jq -r .msg', does: 'Also prints new lines, until Ctrl-C.' },
  ],
  args: [],
  options: {
    follow: { type: 'flag', short: 'f', summary: 'keep printing new lines' },
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
