import { AppError, isAppError } from '../../../base/errors.ts';
import type { CommandContext } from '../../context/context.ts';
import { statusOfExit } from '../../session/run-session.ts';
import { type PassedOutput, passJobOutput } from './pass-job-output.ts';

/** A job, and where in its output to begin. */
interface AttachPlan {
  ref: string;
  jobId: string;
  after: string | undefined;
}

/**
 * Follows a job until it ends and returns its exit status. When that is cut short, by the user or by the loss
 * of daemon or guest, says how to continue; the job keeps running.
 */
export async function attachToJob(
  { ref, jobId, after }: AttachPlan,
  context: CommandContext,
): Promise<number> {
  const { signal } = context;
  const client = await context.client();
  const passed: PassedOutput = { cursor: Number(after ?? 0) };
  context.progress.clear();
  try {
    await passJobOutput(client.jobOutput(ref, jobId, { after, isFollowed: true, signal }), {
      passed,
      context,
    });
  } catch (error) {
    const again = `banger vm attach --after ${passed.cursor} ${ref} ${jobId}`;
    if (signal.aborted) context.notice(`detached; job ${jobId} keeps running. To follow it again: ${again}`);
    else if (isAppError(error, 'DAEMON_LOST', 'GUEST_LOST')) {
      context.notice(`the job may still run. To follow it again: ${again}`);
    }
    throw error;
  }
  const { exit } = passed;
  if (!exit) {
    signal.throwIfAborted();
    throw new AppError('GUEST_PROTOCOL', 'Cannot follow the job: its guest did not say how it ended');
  }
  if ('timedOut' in exit) context.warn('the job ran longer than its time limit, and was ended');
  return statusOfExit(exit);
}
