import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm stats` */
export const vmStats = defineCommand({
  path: ['vm', 'stats'],
  summary: 'print what a running VM uses',
  description: [
    'Prints how busy the guest is, how much of its memory and disks it uses, and what the VM takes on this host: memory and processor time of the VMM, and disk space of the drive files. If the guest does not answer, the output says so and has the rest.',
    '',
    'The daemon measures running VMs every 10 seconds (stats_poll_interval in the config file) and keeps the last 60 measurements, which --json includes. With --watch, the command prints a line every 2 seconds until Ctrl-C or until the VM is no longer running; with --json, each line is a JSON value without the history.',
  ].join('\n'),
  examples: [
    { command: 'banger vm stats web', does: 'What a VM uses now.' },
    { command: 'banger vm stats --watch web', does: 'The same every 2 seconds.' },
    { command: 'banger vm stats --json web | jq .now.guest.memory', does: 'As JSON.' },
  ],
  args: [ONE_VM],
  options: {
    watch: { type: 'flag', summary: 'print a line every 2 seconds' },
    json: { type: 'flag', summary: 'print it as JSON' },
  },
  async run({ args: [ref = ''], options }, context) {
    if (options.watch) {
      const { watchStats } = await import('./watch-stats.ts');
      await watchStats(ref, { isJson: options.json, context });
      return 0;
    }
    const client = await context.client();
    const stats = await client.vmStats(ref, { signal: context.signal });
    if (options.json) await context.printJson(stats);
    else {
      const { statsSummary } = await import('./render-usage.ts');
      await context.print(statsSummary(stats));
    }
    return 0;
  },
});
