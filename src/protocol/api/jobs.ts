import {
  anyOf,
  closedObject,
  constant,
  count,
  extensibleOneOf,
  integer,
  list,
  object,
  oneOf,
  optional,
  record,
  someText,
  text,
  textLike,
  truth,
} from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import type { ExecExit } from '../guest.ts';
import { VMM_SIGNALS } from '../vmm-signal.ts';
import { absolutePath, bytes, flag, time, vmName } from './common.ts';

/** The generation of agents that run jobs. */
export const JOBS_GENERATION = 2;

/** Most jobs that an agent keeps. */
export const MAX_JOBS = 64;

/** A job as the agent describes it (`docs/agent-protocol.md`). Times are `ms` since 1970. */
export interface GuestJob {
  id: string;
  /** the command line, or its beginning */
  command: string[];
  isCut?: boolean;
  user?: string;
  pid: number;
  isRunning: boolean;
  startedMs: number;
  endedMs?: number;
  timeoutMs?: number;
  /** absent while it runs, and when the agent does not know it */
  exit?: ExecExit;
  /** positions of the oldest byte of output that is kept, and of the next one */
  first: number;
  next: number;
}

const byteText = anyOf(text(), closedObject({ b64: text() }));

/** A place in the output of a job. */
const cursor = textLike('^[0-9]{1,15}$', 'a cursor: what an earlier answer gave, or 0 for the beginning');

const jobExit = anyOf(
  object({ code: integer(), timedOut: optional(constant(true)) }),
  object({ signal: text(), number: integer() }),
);

/** A command that runs in a guest without a client. */
export const job = object({
  id: text(),
  command: list(text(), 'the command line, or its first KiB'),
  isCut: optional(truth('the command line is longer')),
  user: optional(text()),
  pid: integer('its process in the guest'),
  state: extensibleOneOf(['running', 'ended']),
  startedAt: time(),
  endedAt: optional(time()),
  timeoutMs: optional(count()),
  exit: optional(jobExit),
  cursor: text('where its output ends now'),
  keptBytes: bytes('bytes of its output that the guest still has'),
  droppedBytes: bytes('bytes of older output that it no longer has'),
});
export type Job = ValueOf<typeof job>;

/** Answer of `GET /v1/vms/REF/jobs`: oldest first. */
export const vmJobs = object({ vm: vmName, jobs: list(job) });
export type VmJobs = ValueOf<typeof vmJobs>;

/** Body of `POST /v1/vms/REF/jobs`. Text that is not UTF-8 is `{"b64": "..."}`. */
export const startJobRequest = closedObject({
  argv: list(byteText),
  env: optional(record('names and values')),
  cwd: optional(anyOf(absolutePath, closedObject({ b64: text() }))),
  user: optional(someText()),
  timeoutMs: optional(
    integer('the guest ends the job after so many ms', { minimum: 1, maximum: 2 ** 31 - 1 }),
  ),
});
export type StartJobRequest = ValueOf<typeof startJobRequest>;

/** Query of `GET /v1/vms/REF/jobs/JOB/output`. */
export const jobOutputQuery = closedObject({
  after: optional(cursor),
  follow: optional(flag('continue until the job has ended')),
});
export type JobOutputQuery = ValueOf<typeof jobOutputQuery>;

/** Body of `POST /v1/vms/REF/jobs/JOB/kill`. */
export const killJobRequest = closedObject({
  signal: optional(
    oneOf(
      VMM_SIGNALS,
      'sent to its process group; absent: it and all its descendants are ended, if need be by SIGKILL',
    ),
  ),
});
export type KillJobRequest = ValueOf<typeof killJobRequest>;

/** Returns whether `text` can be the id of a job, or the beginning of one. */
export function isJobId(text: string): boolean {
  return /^[0-9a-f]{1,32}$/.test(text);
}

/** Returns whether `text` can be a cursor. */
export function isCursor(text: string): boolean {
  return /^[0-9]{1,15}$/.test(text);
}
