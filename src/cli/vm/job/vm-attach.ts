import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { AFTER_OPTION, ONE_JOB } from './job-args.ts';

/** `banger vm attach` */
export const vmAttach = defineCommand({
  path: ['vm', 'attach'],
  summary: 'follow a job until it ends',
  description: [
    'Prints the output of a job that the guest has, then what comes, and exits with the status of the job when it ends. stdout and stderr stay apart.',
    'Ctrl-C detaches: the job keeps running, and the cursor that is printed continues there later.',
    '',
    'The exit status is that of the job, 128+n when signal n killed it, 124 when its --timeout ended it, 125 when banger failed, 130 after Ctrl-C.',
  ].join('\n'),
  examples: [
    { command: 'banger vm attach web 3f09c2a1', does: 'Follows a job.' },
    { command: 'banger vm attach --after 5120 web 3f09', does: 'Only what was not read before.' },
  ],
  args: [ONE_VM, ONE_JOB],
  options: { after: AFTER_OPTION },
  runsGuestCommand: true,
  async run({ args: [ref = '', jobId = ''], options }, context) {
    const { cursorOf } = await import('./cursor.ts');
    const { attachToJob } = await import('./attach-to-job.ts');
    return await attachToJob({ ref, jobId, after: cursorOf(options.after) }, context);
  },
});
