import type { Abortable } from '../../../base/abort.ts';
import { AppError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { GuestAgent } from '../../ports/guest.ts';

/** How far a guest's clock may be from the host's once it has been set, in `ms`. */
const TOLERANCE_MS = 100;

/** How often the time is sent once more when a busy host was slower than that. */
const CORRECTIONS = 4;

/** A clock that is off by less is left alone, in `ms`: programs in the guest see as few steps as can be. */
const LEAST_STEP_MS = 500;

/** Whose clock it is, and what it is compared with. */
export interface ClockOptions extends Abortable {
  agent: GuestAgent;
  /** for the log */
  vm: { id: string; name: string };
  log: Logger;
  /** the host's time, `ms` since 1970 */
  now: () => number;
}

/**
 * Sets the guest's clock until it is within 100 ms of the host's, where the host is quick enough to tell.
 * `lagMs` is the most by which it may be behind now: what a request took that has just set it, for the time
 * goes out with the request.
 *
 * @throws {AppError} GUEST_FAILED with the step "clock" when the clock is off for another reason than a slow
 * host; GUEST_LOST, GUEST_PROTOCOL.
 */
export async function settleClock(lagMs: number, options: ClockOptions): Promise<void> {
  const { agent, vm, log, now, signal } = options;
  let leftMs = lagMs;
  for (let corrections = 0; Math.abs(leftMs) > TOLERANCE_MS; corrections += 1) {
    const sentAtMs = now();
    const answer = await agent.personalise({ wallClockMs: sentAtMs }, { signal });
    const tookMs = now() - sentAtMs;
    leftMs = now() - answer.wallClockMs;
    if (Math.abs(leftMs) > tookMs + TOLERANCE_MS) {
      throw new AppError('GUEST_FAILED', `Cannot set the guest's clock: it is still off by ${leftMs} ms`, {
        details: { step: 'clock', lagMs: leftMs },
      });
    }
    if (corrections === CORRECTIONS) {
      // The host is so busy that an empty request takes longer: nobody can tell the guest's time more
      // exactly.
      log.warn("a guest's clock may lag", { vmId: vm.id, vm: vm.name, lagMs: leftMs });
      return;
    }
  }
}

/**
 * Compares a guest's clock with the host's, and sets it when it is off by half a second or more, and by no
 * more than `mostMs`. Returns by how much it was set forward, in `ms`; 0 when it was left alone.
 *
 * @throws {AppError} as {@link settleClock}.
 */
export async function checkClock(options: ClockOptions & { mostMs?: number }): Promise<number> {
  const { agent, now, signal, mostMs = Number.POSITIVE_INFINITY } = options;
  const askedAtMs = now();
  // An empty personalisation changes nothing, and its answer says what the guest's clock is, in every
  // generation of the agent.
  const { wallClockMs } = await agent.personalise({}, { signal });
  const answeredAtMs = now();
  const halfTripMs = Math.abs(answeredAtMs - askedAtMs) / 2;
  const lagMs = answeredAtMs - halfTripMs - wallClockMs;
  if (Math.abs(lagMs) < LEAST_STEP_MS + halfTripMs || Math.abs(lagMs) > mostMs) return 0;
  await settleClock(lagMs, options);
  return Math.round(lagMs);
}
