import { Readable } from 'node:stream';
import { type Abortable, withDeadline } from '../../../base/abort.ts';
import { AppError, isAppError } from '../../../base/errors.ts';
import { JobOutputDecoder } from '../../../protocol/api/job-output.ts';
import type { GuestJob, Job, VmJobs } from '../../../protocol/api/jobs.ts';
import type { ExecStart } from '../../../protocol/guest.ts';
import { findRunningVm } from '../find-vm.ts';
import type { LiveVms } from '../live-vms.ts';
import type { Vms } from '../world.ts';
import { AGENT_DEADLINES_MS } from './agent-deadlines.ts';
import { askGuest } from './ask-guest.ts';

/** `ms` for a guest to say whether jobs run in it, before it counts as unused. */
const USE_DEADLINE_MS = 3_000;

type JobsWorld = Pick<Vms, 'records' | 'live'>;

/** A job of a VM. */
interface JobRef extends Abortable {
  ref: string;
  jobId: string;
}

/**
 * Starts a command in a running guest that no client is connected to.
 *
 * @throws {AppError} COMMAND_*, JOB_LIMIT, GUEST_GENERATION for an earlier agent, VM_NOT_FOUND,
 * VM_NOT_RUNNING, GUEST_*.
 */
export async function startJob(
  world: JobsWorld,
  {
    ref,
    start,
    timeoutMs,
    signal,
  }: Abortable & { ref: string; start: ExecStart; timeoutMs?: number | undefined },
): Promise<Job> {
  const { id, name } = findRunningVm(world.records, ref);
  const what = `start a job in vm "${name}"`;
  const work = askGuest(
    world,
    { id, name },
    {
      what,
      signal,
      work: (agent, options) => agent.startJob(start, { ...options, timeoutMs }),
    },
  );
  return jobView(await work.catch((error: unknown) => failStart(error, { name, start })));
}

/** The jobs of a running guest, oldest first. @throws {AppError} as {@link startJob} */
export async function listJobs(
  world: JobsWorld,
  { ref, signal }: Abortable & { ref: string },
): Promise<VmJobs> {
  const { id, name } = findRunningVm(world.records, ref);
  const what = `list the jobs of vm "${name}"`;
  const jobs = await askGuest(
    world,
    { id, name },
    { what, signal, work: (agent, options) => agent.jobs(options) },
  );
  return { vm: { id, name }, jobs: jobs.map(jobView) };
}

/**
 * Sends a job a signal; without one, ends it with all its descendants and returns when it has ended.
 *
 * @throws {AppError} JOB_NOT_FOUND, JOB_ENDED; as {@link startJob}.
 */
export async function killJob(
  world: JobsWorld,
  { ref, jobId, jobSignal, signal }: JobRef & { jobSignal?: string | undefined },
): Promise<Job> {
  const { id, name } = findRunningVm(world.records, ref);
  const work = askGuest(
    world,
    { id, name },
    {
      what: `end a job in vm "${name}"`,
      signal,
      work: (agent, options) =>
        jobSignal === undefined ? agent.endJob(jobId, options) : agent.signalJob(jobId, jobSignal, options),
    },
  );
  return jobView(await work.catch((error: unknown) => failJob(error, { name, jobId })));
}

/**
 * The frames of a job's output from a cursor on: what there is, or until the job has ended.
 *
 * @throws {AppError} JOB_NOT_FOUND, JOB_CURSOR_INVALID; as {@link startJob}.
 */
export async function readJob(
  world: JobsWorld,
  { ref, jobId, after, isFollowed, signal }: JobRef & { after: number; isFollowed: boolean },
): Promise<Readable> {
  const { id, name } = findRunningVm(world.records, ref);
  const agent = await world.live.agent(id, { signal, helloDeadlineMs: AGENT_DEADLINES_MS.stream });
  const stream = await agent
    .jobOutput(jobId, { after, isFollowed, signal })
    .catch((error: unknown) => failJob(error, { name, jobId }));
  return Readable.from(checked(stream, after), { objectMode: false });
}

/** Passes the frames on once they have been checked. */
async function* checked(stream: Readable, after: number): AsyncGenerator<Buffer, void, undefined> {
  const decoder = new JobOutputDecoder(after);
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    decoder.push(chunk);
    yield chunk;
  }
}

/**
 * Whether a job runs in a guest, as far as the guest says so within a few seconds. One that does not answer,
 * or has an earlier agent, has none.
 */
export async function hasRunningJob(
  world: { live: Pick<LiveVms, 'agent'> },
  vmId: string,
  { signal }: Abortable,
): Promise<boolean> {
  const options = { signal, deadlineMs: USE_DEADLINE_MS, what: 'the guest agent to list its jobs' };
  try {
    return await withDeadline(async (inner) => {
      const agent = await world.live.agent(vmId, { signal: inner, helloDeadlineMs: USE_DEADLINE_MS });
      return (await agent.jobs({ signal: inner })).some(({ isRunning }) => isRunning);
    }, options);
  } catch (error) {
    signal.throwIfAborted();
    if (isAppError(error)) return false;
    throw error;
  }
}

function jobView({
  isCut,
  user,
  isRunning,
  startedMs,
  endedMs,
  timeoutMs,
  exit,
  first,
  next,
  ...rest
}: GuestJob): Job {
  return {
    ...rest,
    ...(isCut ? { isCut } : {}),
    ...(user === undefined ? {} : { user }),
    state: isRunning ? 'running' : 'ended',
    startedAt: new Date(startedMs).toISOString(),
    ...(endedMs === undefined ? {} : { endedAt: new Date(endedMs).toISOString() }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(exit === undefined ? {} : { exit }),
    cursor: String(next),
    keptBytes: next - first,
    droppedBytes: first,
  };
}

const START_CODES: Readonly<Record<string, string>> = {
  not_found: 'COMMAND_NOT_FOUND',
  not_executable: 'COMMAND_NOT_EXECUTABLE',
  bad_request: 'COMMAND_NOT_STARTED',
  failed: 'COMMAND_NOT_STARTED',
};

function failStart(error: unknown, { name, start }: { name: string; start: ExecStart }): never {
  if (!isAppError(error, 'GUEST_FAILED')) throw error;
  const guestCode = String(error.details?.['guestCode']);
  if (guestCode === 'conflict') {
    throw new AppError('JOB_LIMIT', error.message, { hint: `banger vm jobs ${name}`, cause: error });
  }
  const [program = ''] = start.argv;
  throw new AppError(START_CODES[guestCode] ?? 'COMMAND_NOT_STARTED', error.message, {
    hint: guestCode === 'not_found' ? 'install it in the guest, or give its full path' : undefined,
    details: {
      program: typeof program === 'string' ? program : Buffer.from(program.b64, 'base64').toString(),
    },
    cause: error,
  });
}

function failJob(error: unknown, { name, jobId }: { name: string; jobId: string }): never {
  if (!isAppError(error, 'GUEST_FAILED')) throw error;
  const hint = `banger vm jobs ${name}`;
  const details = { job: jobId };
  switch (error.details?.['guestCode']) {
    case 'not_found':
      throw new AppError('JOB_NOT_FOUND', error.message, { hint, details, cause: error });
    case 'conflict':
      throw new AppError('JOB_ENDED', error.message, { hint, details, cause: error });
    case 'bad_request':
      throw new AppError('JOB_CURSOR_INVALID', error.message, {
        hint: 'leave --after out to read from the beginning',
        details: { ...details, field: 'after' },
        cause: error,
      });
    default:
      throw error;
  }
}
