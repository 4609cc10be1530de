import type { Abortable } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { type JobEvent, JobOutputDecoder } from '../../protocol/api/job-output.ts';
import {
  isCursor,
  isJobId,
  type Job,
  type JobOutputQuery,
  job,
  type KillJobRequest,
  type StartJobRequest,
  type VmJobs,
  vmJobs,
} from '../../protocol/api/jobs.ts';
import type { ExecStart } from '../../protocol/guest.ts';
import type { VmmSignal } from '../../protocol/vmm-signal.ts';
import { lostError } from '../errors.ts';
import { flag, vmPath, withQuery } from '../paths.ts';
import type { Caller } from './caller.ts';

/** Commands that run in a guest without a client. */
export interface JobCalls {
  /**
   * Starts a job, which outlives this client and the daemon. It has no input and no terminal.
   *
   * @throws {AppError} COMMAND_*, JOB_LIMIT; GUEST_GENERATION when the agent of the guest is too old.
   */
  startJob(
    ref: string,
    start: Omit<ExecStart, 'pty'>,
    options: Abortable & { timeoutMs?: number | undefined },
  ): Promise<Job>;
  /** The jobs of a guest, oldest first. */
  listJobs(ref: string, options: Abortable): Promise<VmJobs>;
  /**
   * Output of a job after a cursor: what there is, or with `isFollowed` until the job has ended. Leaving the
   * loop early does not affect the job.
   *
   * @throws {AppError} while iterating: JOB_NOT_FOUND, JOB_CURSOR_INVALID, DAEMON_LOST, GUEST_*.
   */
  jobOutput(
    ref: string,
    jobId: string,
    options: Abortable & { after?: string | undefined; isFollowed?: boolean },
  ): AsyncGenerator<JobEvent, void, undefined>;
  /** Ends a job with all its descendants, or sends it `jobSignal`. */
  killJob(
    ref: string,
    jobId: string,
    options: Abortable & { jobSignal?: VmmSignal | undefined },
  ): Promise<Job>;
}

/** {@link JobCalls} over one transport. */
export function jobCalls(caller: Caller): JobCalls {
  return {
    startJob: async (ref, start, { timeoutMs, signal }) => {
      const body = { ...start, ...(timeoutMs === undefined ? {} : { timeoutMs }) } as StartJobRequest;
      return await caller.post(vmPath(ref, 'jobs'), job, { body, signal });
    },
    listJobs: async (ref, options) => await caller.get(vmPath(ref, 'jobs'), vmJobs, options),
    async *jobOutput(ref, jobId, { after = '0', isFollowed, signal }) {
      if (!isCursor(after)) throw noCursor(after);
      const path = jobPath(ref, jobId, 'output');
      const query = { after, follow: flag(isFollowed) };
      const decoder = new JobOutputDecoder(Number(after));
      for await (const chunk of caller.bytes(withQuery<JobOutputQuery>(path, query), { signal })) {
        yield* decoder.push(chunk);
      }
      if (!decoder.isOver) throw lostError('the output of a job');
    },
    killJob: async (ref, jobId, { jobSignal, signal }) => {
      const body: KillJobRequest = jobSignal === undefined ? {} : { signal: jobSignal };
      return await caller.post(jobPath(ref, jobId, 'kill'), job, { body, signal });
    },
  };
}

function jobPath(ref: string, jobId: string, verb: string): string {
  if (isJobId(jobId)) return vmPath(ref, 'jobs', jobId, verb);
  throw new AppError(
    'JOB_NOT_FOUND',
    `Cannot find a job ${JSON.stringify(jobId.slice(0, 80))}: ids are hex digits`,
    {
      hint: `banger vm jobs ${ref}`,
      details: { field: 'job', value: jobId },
    },
  );
}

function noCursor(after: string): AppError {
  return new AppError(
    'JOB_CURSOR_INVALID',
    `Cannot read output after ${JSON.stringify(after.slice(0, 80))}: it is not a cursor`,
    {
      hint: 'give the cursor that an earlier answer ended with, or 0 for the beginning',
      details: { field: 'after', value: after },
    },
  );
}
