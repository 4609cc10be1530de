import { z } from 'zod';
import { bytes, count, type Exact, time } from './common-schemas.ts';
import type { DaemonStatus, DoctorCheck } from './daemon.ts';

/** Answer of `GET /v1/daemon`. */
export const daemonStatus: Exact<DaemonStatus> = z.object({
  pid: z.int(),
  version: z.string(),
  build: z.string().describe('differs when two builds do'),
  socketPath: z.string(),
  logPath: z.string(),
  startedAt: time,
  runningVmCount: count,
  standbyVmId: z
    .string()
    .describe('a VM of nobody that waits for the next start; not counted')
    .exactOptional(),
  activeRequestCount: count,
  idleExitInMs: count.describe('ms until it ends by itself; absent while a VM runs').exactOptional(),
  rssBytes: bytes,
  memory: z
    .object({ heapUsedBytes: bytes, heapTotalBytes: bytes, externalBytes: bytes })
    .describe("the JavaScript heap's part of that, and what JavaScript objects hold outside of it")
    .exactOptional(),
});

/** One check of `GET /v1/doctor`. */
export const doctorCheck: Exact<DoctorCheck> = z.object({
  name: z.string(),
  status: z.enum(['pass', 'warn', 'fail']),
  message: z.string(),
  fix: z.string().describe('the next step').exactOptional(),
  details: z.array(z.string()).describe('the facts behind the message').exactOptional(),
});
