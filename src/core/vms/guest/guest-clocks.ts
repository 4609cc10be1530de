import { neverAborts } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import type { Vms } from '../world.ts';
import { checkClock } from './guest-clock.ts';
import { withAgent } from './with-agent.ts';

/** Most that a clock drifts between two corrections, in `ms`, with much room. */
const MOST_DRIFT_MS = 5_000;

/**
 * Keeps the clocks of running guests right. A guest's clock does not advance while its VMM pauses it or the
 * host sleeps, and does not follow when somebody sets the host's clock; the guest itself can notice neither.
 * The daemon notices both, and sets the clock through the agent.
 *
 * Each check runs in the background, one at a time for each VM, and never throws: a guest that cannot be
 * reached is logged.
 */
export class GuestClocks {
  readonly #world: Pick<Vms, 'records' | 'live' | 'log'>;
  readonly #now: () => number;
  /** VMs whose clock is being checked; true when it must be checked once more */
  readonly #checking = new Map<string, boolean>();

  constructor(world: Pick<Vms, 'records' | 'live' | 'log'>, { now }: { now: () => number }) {
    this.#world = world;
    this.#now = now;
  }

  /** Checks the clock of one VM, which may have been paused. */
  check(vmId: string): void {
    const isBusy = this.#checking.has(vmId);
    this.#checking.set(vmId, isBusy);
    if (!isBusy) void this.#run(vmId);
  }

  /** Checks the clocks of all running VMs: the host's has been set, or the host has slept. */
  checkAll(): void {
    for (const vmId of this.#world.live.ids()) this.check(vmId);
  }

  /**
   * Corrects clocks that have drifted, every `everyMs`: under KVM a guest's clock is not corrected by the
   * host's time daemon. One that is off by more than drift explains was set in the guest, and stays as it is.
   */
  correctDrift(everyMs: number): Disposable {
    const timer = setInterval(() => {
      for (const vmId of this.#world.live.ids()) {
        if (!this.#checking.has(vmId)) void this.#attempt(vmId, { mostMs: MOST_DRIFT_MS });
      }
    }, everyMs).unref();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  }

  async #run(vmId: string): Promise<void> {
    let isAsked = true;
    while (isAsked) {
      await this.#attempt(vmId, {});
      isAsked = this.#checking.get(vmId) === true;
      this.#checking.set(vmId, false);
    }
    this.#checking.delete(vmId);
  }

  async #attempt(vmId: string, bounds: { mostMs?: number }): Promise<void> {
    const { live, records, log } = this.#world;
    // It is checked when it runs again. A request that a paused guest does not answer would cost it its link,
    // and with that its commands.
    if (live.get(vmId)?.isPaused) return;
    try {
      const record = records.get(vmId);
      // Every other state ends with a personalisation, which sets the clock, or without a guest.
      if (record?.state !== 'running') return;
      const vm = { id: vmId, name: record.name };
      const stepMs = await withAgent(this.#world, vmId, {
        signal: neverAborts(),
        work: (agent, { signal }) => checkClock({ agent, vm, log, now: this.#now, signal, ...bounds }),
      });
      if (stepMs !== 0) log.info("a guest's clock was set", { vmId, vm: record.name, stepMs });
    } catch (error) {
      // It has ended meanwhile, or is not ours any more.
      if (isAppError(error, 'VM_NOT_RUNNING', 'VMM_LOST')) return;
      log.warn("a guest's clock could not be checked", { vmId, error });
    }
  }
}
