import type { StatsSample } from '../../../protocol/usage.ts';

/** Samples kept for each VM: ten minutes of those that the daemon takes by itself. */
const MAX_SAMPLES = 60;

/** Measurements of running VMs. In memory only: lost when the daemon ends. */
export class StatsHistory {
  readonly #samples = new Map<string, StatsSample[]>();

  /** The samples of a VM, oldest first; a copy. */
  of(vmId: string): StatsSample[] {
    return [...(this.#samples.get(vmId) ?? [])];
  }

  /** Adds a sample; drops the oldest when there are too many. */
  add(vmId: string, sample: StatsSample): void {
    this.#samples.set(vmId, [...(this.#samples.get(vmId) ?? []), sample].slice(-MAX_SAMPLES));
  }

  /** Forgets all VMs but these. */
  retainOnly(vmIds: ReadonlySet<string>): void {
    for (const vmId of this.#samples.keys()) if (!vmIds.has(vmId)) this.#samples.delete(vmId);
  }
}
