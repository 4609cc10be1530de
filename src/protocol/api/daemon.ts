import { count, integer, list, object, oneOf, optional, text } from '../../base/json-schema/build.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { bytes, time } from './common.ts';

/** Answer of `GET /v1/daemon`. */
export const daemonStatus = object({
  pid: integer(),
  version: text(),
  build: text('differs between any two builds'),
  socketPath: text(),
  logPath: text(),
  startedAt: time(),
  runningVmCount: count(),
  standbyVmId: optional(
    text('the pool VM that waits longest for the next start of its shape; not counted as running'),
  ),
  pool: optional(
    object(
      { vmIds: list(text(), 'those that wait'), limit: count('most at once') },
      'pool VMs; absent when the daemon keeps none, and in older daemons',
    ),
  ),
  activeRequestCount: count(),
  idleExitInMs: optional(count('ms until the daemon exits if it stays idle; absent while a VM is running')),
  rssBytes: bytes(),
  memory: optional(
    object(
      { heapUsedBytes: bytes(), heapTotalBytes: bytes(), externalBytes: bytes() },
      'the JavaScript heap and the memory that its objects hold outside of it; absent in older daemons',
    ),
  ),
});
export type DaemonStatus = ValueOf<typeof daemonStatus>;

/** One line of `banger doctor`. */
export const doctorCheck = object({
  name: text(),
  status: oneOf(['pass', 'warn', 'fail']),
  message: text(),
  fix: optional(text('the next step')),
  packages: optional(
    object(
      { apt: text(), dnf: text(), pacman: text(), zypper: text() },
      'what to install, by package manager: names separated by spaces; `banger doctor --fix` installs it',
    ),
  ),
  details: optional(list(text(), 'the facts behind the message')),
});
export type DoctorCheck = ValueOf<typeof doctorCheck>;

/** Answer of `GET /v1/doctor`. */
export const doctorReport = object({ checks: list(doctorCheck) });

/** What `banger doctor --fix` removed, and the checks after that. */
export const doctorFix = object({
  checks: list(doctorCheck),
  fixed: list(text(), 'names of what was removed'),
});
export type DoctorFix = ValueOf<typeof doctorFix>;
