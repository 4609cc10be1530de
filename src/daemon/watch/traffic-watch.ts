import type { GuestStats } from '../../protocol/guest.ts';

/**
 * `bytes` between two checks that do not count as traffic: a guest with a network sends address requests now
 * and then.
 */
const NOISE_BYTES = 2_048;

interface Seen {
  bytes: number;
  /** when traffic last exceeded the noise */
  changedAt: number;
}

/**
 * How long guests have had no relevant traffic. In memory only: a VM counts as busy when it is first checked.
 */
export class TrafficWatch {
  readonly #vms = new Map<string, Seen>();
  readonly #now: () => number;

  /** `now` returns `ms` of a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** `ms` without traffic, given the guest's latest counters; 0 for a guest that has not reported any. */
  quietMs(vmId: string, counters: GuestStats['network']): number {
    const seen = this.#vms.get(vmId);
    if (!counters) return 0;
    const bytes = counters.receivedBytes + counters.sentBytes;
    // The counters went down: the guest has been restarted.
    if (!seen || bytes < seen.bytes || bytes - seen.bytes > NOISE_BYTES) {
      this.#vms.set(vmId, { bytes, changedAt: this.#now() });
      return 0;
    }
    seen.bytes = bytes;
    return this.#now() - seen.changedAt;
  }

  /** Forgets every VM except these. */
  retainOnly(vmIds: readonly string[]): void {
    for (const vmId of this.#vms.keys()) if (!vmIds.includes(vmId)) this.#vms.delete(vmId);
  }
}
