import type { GuestStats } from '../../protocol/guest.ts';

/**
 * `bytes` between two looks that are no traffic: a guest that has a network asks who has which address, now
 * and then.
 */
const NOISE_BYTES = 2_048;

interface Seen {
  bytes: number;
  /** when it was more than noise */
  changedAt: number;
}

/**
 * Since when guests have sent and received nothing to speak of. In memory only: a VM counts as busy when it
 * is first looked at.
 */
export class TrafficWatch {
  readonly #vms = new Map<string, Seen>();
  readonly #now: () => number;

  /** `now` gives `ms` of a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** `ms` without traffic, given what the guest's counters said last; 0 for a guest that has not said. */
  quietMs(vmId: string, counters: GuestStats['network']): number {
    const seen = this.#vms.get(vmId);
    if (!counters) return 0;
    const bytes = counters.receivedBytes + counters.sentBytes;
    // Fewer than before: the guest was started anew.
    if (!seen || bytes < seen.bytes || bytes - seen.bytes > NOISE_BYTES) {
      this.#vms.set(vmId, { bytes, changedAt: this.#now() });
      return 0;
    }
    seen.bytes = bytes;
    return this.#now() - seen.changedAt;
  }

  /** Forgets every VM but these. */
  retainOnly(vmIds: readonly string[]): void {
    for (const vmId of this.#vms.keys()) if (!vmIds.includes(vmId)) this.#vms.delete(vmId);
  }
}
