import { formatTime } from '../../../base/text/words.ts';
import type { Check, Finding } from '../check.ts';

/** Difference between two clocks, in `ms`, that is ignored. */
const SLACK_MS = 10_000;

/** Guests get their time from this host when they start, and certificates are invalid in the wrong year. */
export const checkClock: Check = {
  name: 'clock',
  async run({ world, build }) {
    return clockFinding({
      nowMs: Date.now(),
      // The time if nobody had set the clock since this process began.
      expectedMs: performance.timeOrigin + performance.now(),
      builtMs: Date.parse(build.builtAt),
      changedMs: Math.max(0, ...world.records.list().map(({ updatedAt }) => Date.parse(updatedAt))),
    });
  },
};

/** Times in `ms` since 1970; `NaN` where unknown. */
export interface ClockFacts {
  nowMs: number;
  expectedMs: number;
  /** when this program was built */
  builtMs: number;
  /** when a record was last written */
  changedMs: number;
}

/** What these times say about the clock. Pure. */
export function clockFinding({ nowMs, expectedMs, builtMs, changedMs }: ClockFacts): Finding {
  const now = new Date(nowMs).toISOString();
  const fix = 'set the clock, for example: timedatectl set-ntp true';
  if (nowMs + SLACK_MS < builtMs) {
    const built = new Date(builtMs).toISOString();
    return { status: 'fail', message: `it is ${now} here, before this program was built (${built})`, fix };
  }
  if (nowMs + SLACK_MS < changedMs) {
    const changed = new Date(changedMs).toISOString();
    return { status: 'fail', message: `it is ${now} here, before a VM was last changed (${changed})`, fix };
  }
  const setMs = nowMs - expectedMs;
  if (Math.abs(setMs) > SLACK_MS) {
    return {
      status: 'warn',
      message: `${now}; it was set, or the host slept, by ${formatTime(setMs)} since the daemon started`,
      fix: 'restart the VMs that were running then if their clocks are wrong',
    };
  }
  return { status: 'pass', message: now };
}
