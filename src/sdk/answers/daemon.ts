import type { DaemonStatus, DoctorCheck, DoctorFix } from '../../protocol/api/daemon.ts';
import { type GuardOf, isNumber, isText, listOf, oneOf, optional, shapeOf } from '../guards.ts';

/** Answer of `GET /v1/daemon`. */
export const isDaemonStatus: GuardOf<DaemonStatus> = shapeOf<DaemonStatus>({
  pid: isNumber,
  version: isText,
  build: isText,
  socketPath: isText,
  logPath: isText,
  startedAt: isText,
  runningVmCount: isNumber,
  standbyVmId: optional(isText),
  activeRequestCount: isNumber,
  idleExitInMs: optional(isNumber),
  rssBytes: isNumber,
  memory: optional(
    shapeOf<NonNullable<DaemonStatus['memory']>>({
      heapUsedBytes: isNumber,
      heapTotalBytes: isNumber,
      externalBytes: isNumber,
    }),
  ),
});

const isCheck = shapeOf<DoctorCheck>({
  name: isText,
  status: oneOf('pass', 'warn', 'fail'),
  message: isText,
  fix: optional(isText),
  details: optional(listOf(isText)),
});

/** Answer of `GET /v1/doctor`. */
export const isDoctorReport: GuardOf<{ checks: DoctorCheck[] }> = shapeOf<{ checks: DoctorCheck[] }>({
  checks: listOf(isCheck),
});

/** Answer of `POST /v1/doctor/fix`. */
export const isDoctorFix: GuardOf<DoctorFix> = shapeOf<DoctorFix>({
  checks: listOf(isCheck),
  fixed: listOf(isText),
});
