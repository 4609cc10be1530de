import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm stats` */
export const vmStats = defineCommand({
  path: ['vm', 'stats'],
  summary: 'print what a running VM uses',
  description: [
    'Prints how busy the guest is, what it uses of its memory and disks, and what that takes on this host: memory of the VMM, its processor time, and the disk space of the drive files. A guest that does not answer is told as such; the rest is printed all the same.',
    '',
    'The daemon measures running VMs every 10 seconds, or as stats_poll_interval in the config file says, and keeps the last 60 measurements, which --json has too. With --watch it goes on until Ctrl-C or until the VM does not run any more, a line every 2 seconds; with --json that is a JSON value a line, without the history.',
  ].join('\n'),
  examples: [
    { command: 'banger vm stats web', does: 'What a VM uses now.' },
    { command: 'banger vm stats --watch web', does: 'The same every 2 seconds.' },
    { command: 'banger vm stats --json web | jq .now.guest.memory', does: 'As JSON.' },
  ],
  args: [ONE_VM],
  options: {
    watch: { type: 'flag', summary: 'go on, a line every 2 seconds' },
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
