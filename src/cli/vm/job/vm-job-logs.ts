import { AppError } from '../../../base/errors.ts';
import { defineCommand } from '../../program/command.ts';
import { ONE_VM } from '../one-vm.ts';
import { AFTER_OPTION, ONE_JOB } from './job-args.ts';

/** `banger vm job logs` */
export const vmJobLogs = defineCommand({
  path: ['vm', 'job', 'logs'],
  summary: 'print the output of a job',
  description: [
    'Prints what the guest has of the output of a job, its stdout to stdout and its stderr to stderr. Afterwards, stderr has the cursor with which the next command continues: every byte comes once. If the guest no longer has some bytes after the cursor, a warning says how many.',
    'With --json, stdout has one JSON value with the output and the cursor. The exit status does not depend on the job: see banger vm attach.',
  ].join('\n'),
  examples: [
    { command: 'banger vm job logs web 3f09c2a1', does: 'The output up to now.' },
    { command: 'banger vm job logs --after 5120 web 3f09c2a1', does: 'What is new since then.' },
    { command: 'banger vm job logs -f web 3f09c2a1', does: 'Also what comes, until the job ends.' },
  ],
  args: [ONE_VM, ONE_JOB],
  options: {
    after: AFTER_OPTION,
    follow: { type: 'flag', short: 'f', summary: 'continue until the job ends' },
    json: { type: 'flag', summary: 'print the output and the cursor as JSON' },
  },
  async run({ args: [ref = '', jobId = ''], options }, context) {
    const { follow: isFollowed, json: isJson } = options;
    const { cursorOf } = await import('./cursor.ts');
    const after = cursorOf(options.after);
    if (isFollowed && isJson) {
      throw new AppError('USAGE_OPTIONS', 'Cannot use --json with --follow: JSON is one value', {
        hint: 'leave one of them out',
        details: { field: 'json' },
      });
    }
    const { signal } = context;
    const client = await context.client();
    const output = client.jobOutput(ref, jobId, { after, isFollowed, signal });
    if (isJson) {
      const { jobLogReport } = await import('./job-log-report.ts');
      await context.printJson(await jobLogReport(output));
      return 0;
    }
    const { passJobOutput } = await import('./pass-job-output.ts');
    const passed = { cursor: Number(after ?? 0) };
    context.progress.clear();
    try {
      await passJobOutput(output, { passed, context });
    } finally {
      context.notice(`continue with: --after ${passed.cursor}`);
    }
    return 0;
  },
});
