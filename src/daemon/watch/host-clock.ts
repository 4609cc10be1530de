/** The host's clocks, and how often they are compared. */
export interface HostClock {
  /** `ms` since 1970, which somebody may set */
  wallMs: () => number;
  /** `ms` of a clock that nobody sets and that does not advance while the host sleeps (`CLOCK_MONOTONIC`) */
  monotonicMs: () => number;
  everyMs: number;
  /** how often clocks of guests that have drifted are corrected */
  driftEveryMs: number;
}

/** This host's clocks: a pause or a step is noticed within half a second. */
export const HOST_CLOCK: HostClock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  everyMs: 500,
  driftEveryMs: 30 * 60_000,
};

/** Differences below this are left to add up, in `ms`. */
const LEAST_STEP_MS = 250;

/**
 * Calls `onStep` when the host's time has moved otherwise than its processors' time: somebody set the clock,
 * or the host slept. Guests, whose time follows the processors', are off by `stepMs` then. Keeps no process
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
