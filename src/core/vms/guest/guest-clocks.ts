import { neverAborts } from '../../../base/abort.ts';
import { isAppError } from '../../../base/errors.ts';
import { RetryPauses } from '../../../base/retry-pauses.ts';
import type { Vms } from '../world.ts';
import { checkClock } from './guest-clock.ts';
import { withAgent } from './with-agent.ts';

/** Most that a clock drifts between two corrections, in `ms`, with much room. */
const MOST_DRIFT_MS = 5_000;

/** Pauses before a check that failed is repeated. */
const RETRY = { firstMs: 250, longestMs: 30_000 };

/** A check that is under way. */
interface Check {
  /** the clock must be checked once more: it was asked for meanwhile */
  isWantedAgain: boolean;
  /** ends the pause before it is repeated */
  repeatNow: () => void;
}

/** Why a check failed. */
interface Failure {
  /** the name of the VM; absent when its record could not be read */
  vm: string | undefined;
  error: unknown;
}

/**
 * Keeps the clocks of running guests right. A guest's clock does not advance while its VMM pauses it or the
 * host sleeps, and does not follow when somebody sets the host's clock; the guest itself can notice neither.
 * The daemon notices both, and sets the clock through the agent.
 *
 * Each check runs in the background, one at a time for each VM, and never throws. The log names a VM at its
 * first failure, and the check is repeated until the guest answers, is paused again, or ends.
 */
export class GuestClocks {
  readonly #world: Pick<Vms, 'records' | 'live' | 'log'>;
  readonly #now: () => number;
  readonly #checking = new Map<string, Check>();
  /** VMs of which the log says that their last check failed */
  readonly #named = new Set<string>();

  constructor(world: Pick<Vms, 'records' | 'live' | 'log'>, { now }: { now: () => number }) {
    this.#world = world;
    this.#now = now;
  }

  /** Checks the clock of one VM, which may have been paused. */
  check(vmId: string): void {
    const under = this.#checking.get(vmId);
    if (under) {
      under.isWantedAgain = true;
      under.repeatNow();
      return;
    }
    const check: Check = { isWantedAgain: false, repeatNow: () => {} };
    this.#checking.set(vmId, check);
    void this.#run(vmId, check);
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

  async #run(vmId: string, check: Check): Promise<void> {
    const pauses = new RetryPauses(RETRY);
    for (;;) {
      check.isWantedAgain = false;
      const isDone = await this.#attempt(vmId, {});
      if (check.isWantedAgain) continue;
      if (isDone) break;
      await new Promise<void>((resolve) => {
        check.repeatNow = resolve;
        // Must not keep a stopping daemon alive.
        setTimeout(resolve, pauses.next()).unref();
      });
    }
    this.#checking.delete(vmId);
  }

  /** Returns false when the check failed and must be repeated. */
  async #attempt(vmId: string, bounds: { mostMs?: number }): Promise<boolean> {
    const failure = await this.#checkOnce(vmId, bounds);
    if (!failure) {
      this.#named.delete(vmId);
      return true;
    }
    const level = this.#named.has(vmId) ? 'debug' : 'warn';
    this.#world.log[level]("a guest's clock could not be checked", { vmId, ...failure });
    this.#named.add(vmId);
    return false;
  }

  /** Returns what made the check fail, and the name of the VM. */
  async #checkOnce(vmId: string, bounds: { mostMs?: number }): Promise<Failure | undefined> {
    const { live, records, log } = this.#world;
    // It is checked when it runs again. A request that a paused guest does not answer would cost it its link,
    // and with that its commands.
    if (live.get(vmId)?.isPaused) return undefined;
    let name: string | undefined;
    try {
      const record = records.get(vmId);
      // Every other state ends with a personalisation, which sets the clock, or without a guest.
      if (record?.state !== 'running') return undefined;
      name = record.name;
      const vm = { id: vmId, name };
      const stepMs = await withAgent(this.#world, vmId, {
        signal: neverAborts(),
        work: (agent, { signal }) => checkClock({ agent, vm, log, now: this.#now, signal, ...bounds }),
      });
      if (stepMs !== 0) log.info("a guest's clock was set", { vmId, vm: name, stepMs });
      return undefined;
    } catch (error) {
      // It has ended meanwhile, or is not ours any more.
      return isAppError(error, 'VM_NOT_RUNNING', 'VMM_LOST') ? undefined : { vm: name, error };
    }
  }
}
