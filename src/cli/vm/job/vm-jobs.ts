import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';

/** `banger vm jobs` */
export const vmJobs = defineCommand({
  path: ['vm', 'jobs'],
  summary: 'list the jobs of a VM',
  description:
    'Lists the commands that banger vm exec --detach has started in a running VM, oldest first. The guest keeps the last 64 jobs, and of the output of each the newest 4 MiB; all of them together have 32 MiB. They are gone when the VM stops.',
  examples: [
    { command: 'banger vm jobs web', does: 'What runs, and how the others ended.' },
    { command: 'banger vm jobs --json web', does: 'The same as a JSON array.' },
  ],
  args: [ONE_VM],
  options: {
    quiet: { type: 'flag', short: 'q', summary: 'print ids only' },
    json: { type: 'flag', summary: 'print the jobs as a JSON array' },
  },
  async run({ args: [ref = ''], options }, context) {
    const client = await context.client();
    const { jobs } = await client.listJobs(ref, { signal: context.signal });
    if (options.json) await context.printJson(jobs);
    else if (options.quiet) await context.print(jobs.map(({ id }) => `${id}\n`).join(''));
    else {
      const { jobTable } = await import('./render-jobs.ts');
      await context.print(jobTable(jobs, { nowMs: Date.now(), width: context.stdout.columns }));
    }
    return 0;
  },
});
