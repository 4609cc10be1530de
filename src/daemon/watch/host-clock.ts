/** The host's clocks, and how often they are compared. */
export interface HostClock {
  /** `ms` since 1970, which somebody may set */
  wallMs: () => number;
  /** `ms` of a clock that nobody can set and that stops while the host sleeps (`CLOCK_MONOTONIC`) */
  monotonicMs: () => number;
  everyMs: number;
  /** how often drifting guest clocks are corrected */
  driftEveryMs: number;
}

/** This host's clocks: a pause or a step is noticed within half a second. */
export const HOST_CLOCK: HostClock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  everyMs: 500,
  driftEveryMs: 30 * 60_000,
};

/** Smaller differences, in `ms`, accumulate until they reach this. */
const LEAST_STEP_MS = 250;

/**
 * Calls `onStep` when the host's time and its processors' time have advanced differently: somebody set the
 * clock, or the host slept. Guests follow the processors' time, so they are off by `stepMs`. Keeps no process
 * alive.
 */
export function watchHostClock(
  { wallMs, monotonicMs, everyMs }: Omit<HostClock, 'driftEveryMs'>,
  onStep: (stepMs: number) => void,
): Disposable {
  let offsetMs = wallMs() - monotonicMs();
  const timer = setInterval(() => {
    const stepMs = wallMs() - monotonicMs() - offsetMs;
    if (Math.abs(stepMs) < LEAST_STEP_MS) return;
    offsetMs += stepMs;
    onStep(Math.round(stepMs));
  }, everyMs).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
