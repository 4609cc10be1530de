import { VMM_SIGNALS } from '../../../protocol/vmm-signal.ts';
import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { jobSignalOf, ONE_JOB } from './job-args.ts';

/** `banger vm job kill` */
export const vmJobKill = defineCommand({
  path: ['vm', 'job', 'kill'],
  summary: 'end a job',
  description:
    'Ends a job with all its descendants: they get SIGTERM, and those that are left after 5 s SIGKILL. Returns when none is left. With --signal, only sends that signal to the process group of the job. It fails when the job has ended.',
  examples: [
    { command: 'banger vm job kill web 3f09c2a1', does: 'Ends a job.' },
    { command: 'banger vm job kill --signal INT web 3f09c2a1', does: 'Like Ctrl-C.' },
  ],
  args: [ONE_VM, ONE_JOB],
  options: {
    signal: {
      type: 'value',
      value: 'signal',
      kind: VMM_SIGNALS,
      summary: `only send this signal: ${VMM_SIGNALS.join(', ')}`,
    },
    quiet: { type: 'flag', short: 'q', summary: 'print nothing when it succeeds' },
    json: { type: 'flag', summary: 'print the job as JSON' },
  },
  async run({ args: [ref = '', jobId = ''], options }, context) {
    const jobSignal = jobSignalOf(options.signal);
    const client = await context.client();
    const job = await client.killJob(ref, jobId, { jobSignal, signal: context.signal });
    if (options.json) await context.printJson(job);
    else if (!options.quiet) {
      const { stateOf } = await import('./render-jobs.ts');
      await context.print(`job ${job.id}: ${stateOf(job)}`);
    }
    return 0;
  },
});
