import type { Abortable } from '../../base/abort.ts';
import {
  type DaemonStatus,
  type DoctorCheck,
  type DoctorFix,
  daemonStatus,
  doctorFix,
  doctorReport,
} from '../../protocol/api/daemon.ts';
import type { Work } from '../work.ts';
import type { Caller } from './caller.ts';

/** The daemon itself, and the host that it runs on. */
export interface DaemonCalls {
  daemonStatus(options: Abortable): Promise<DaemonStatus>;
  /** Asks the daemon to drain and exit; returns before it does. VMs keep running. */
  stopDaemon(options: Abortable): Promise<void>;
  /** Checks the host; read-only. */
  doctor(options: Abortable): Promise<DoctorCheck[]>;
  /**
   * Reads all templates and snapshots and compares them with their checksums; damaged templates are set
   * aside.
   */
  checkSaved(options: Abortable): Work<{ checks: DoctorCheck[] }>;
  /** Removes orphans that provably belong to banger, then checks the host. */
  fixHost(options: Abortable): Promise<DoctorFix>;
}

/**
 * The checks may boot a kernel to see whether KVM works. On a slow host that boot alone may take two minutes
 * before the daemon gives it up.
 */
const CHECKS_DEADLINE_MS = 5 * 60_000;

/** {@link DaemonCalls} over one transport. */
export function daemonCalls(caller: Caller): DaemonCalls {
  const withTime = ({ signal }: Abortable) => ({ signal, answerDeadlineMs: CHECKS_DEADLINE_MS });
  return {
    daemonStatus: (options) => caller.get('/daemon', daemonStatus, options),
    stopDaemon: (options) => caller.settle('POST', '/daemon/stop', options),
    doctor: async (options) => (await caller.get('/doctor', doctorReport, withTime(options))).checks,
    checkSaved: (options) => caller.work('/doctor/deep', doctorReport, options),
    fixHost: (options) => caller.post('/doctor/fix', doctorFix, withTime(options)),
  };
}
