import type { DoctorCheck } from '../../protocol/api.ts';
import { defineCommand } from '../command.ts';
import type { CommandContext } from '../context.ts';

/** `banger doctor` */
export const doctor = defineCommand({
  path: ['doctor'],
  summary: 'check whether this machine can run VMs',
  description:
    'Checks what VMs need on this machine and says how to fix what is missing; changes nothing. The exit status is 1 when a check fails, 0 with warnings.',
  examples: [
    {
      command: 'banger doctor',
      does: 'The first thing to run on a new machine, and when something does not work.',
    },
    { command: 'banger doctor --json', does: 'The same for programs.' },
  ],
  args: [],
  options: { json: { type: 'flag', summary: 'print the checks as JSON' } },
  async run({ options }, context) {
    const checks = await checksOf(context);
    if (options.json) await context.printJson({ checks });
    else {
      const { doctorReport } = await import('../render/doctor.ts');
      await context.print(doctorReport(checks, context.style));
    }
    return checks.some(({ status }) => status === 'fail') ? 1 : 0;
  },
});

/** A daemon that does not start is a finding like others: it is what one runs doctor for. */
async function checksOf(context: CommandContext): Promise<DoctorCheck[]> {
  try {
    const client = await context.client();
    context.progress.step('doctor', 'checking this machine');
    return await client.doctor({ signal: context.signal });
  } catch (error) {
    const { isAppError, messageOf } = await import('../../base/errors.ts');
    if (!isAppError(error, 'DAEMON_START_FAILED', 'DAEMON_UNREACHABLE')) throw error;
    return [
      {
        name: 'daemon',
        status: 'fail',
        message: messageOf(error),
        ...(error.hint === undefined ? {} : { fix: error.hint }),
      },
    ];
  }
}
