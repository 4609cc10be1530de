export interface DaemonStatus {
  pid: number;
  version: string;
  build: string;
  socketPath: string;
  logPath: string;
  startedAt: string;
  runningVmCount: number;
  /**
   * a VM of nobody that runs, for the next start of its shape; absent when there is none. It is not counted.
   */
  standbyVmId?: string;
  activeRequestCount: number;
  /** `ms` until it exits by itself when nothing happens, absent while a VM runs */
  idleExitInMs?: number;
  rssBytes: number;
  /**
   * the JavaScript heap's part of that, and what JavaScript objects hold outside of it; absent from a daemon
   * of an older build
   */
  memory?: { heapUsedBytes: number; heapTotalBytes: number; externalBytes: number };
}

/** One line of `banger doctor`. */
export interface DoctorCheck {
  name: string;
  status: 'pass' | 'warn' | 'fail';
  message: string;
  /** the one next step */
  fix?: string;
  /** the facts behind the message */
  details?: string[];
}

/** What `banger doctor --fix` did, and how things are then. */
export interface DoctorFix {
  checks: DoctorCheck[];
  /** names of what was removed */
  fixed: string[];
}
