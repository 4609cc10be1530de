/** When starts of a shape ask for more than one pool VM. */
export interface DemandLimits {
  /** most pool VMs at once, of all shapes together */
  most: number;
  /**
   * bounds, in `ms`, of the time within which starts follow each other faster than the pool makes new VMs:
   * the least until one has been made, then what making one takes
   */
  withinMs: { least: number; most: number };
  /** `ms` after which a start counts no longer; then only the shape that was started last has a pool VM */
  forgetMs: number;
  /** `ms` after the last start until there is no pool VM */
  keepMs: number;
}

/** How many of the times that making a pool VM took count. */
const PACES = 32;

/** More starts than this in the time that making a pool VM takes ask for no more pool VMs. */
const TIMES_PER_KEY = 32;

/**
 * Decides how many pool VMs are wanted of each template, from when VMs started. One start asks for one pool
 * VM; starts in quick succession ask for as many as started in the time that making one takes. Demand ends by
 * time alone.
 */
export class PoolDemand {
  readonly #limits: DemandLimits;
  /** times of the latest starts by template, in `ms`; the template that was used last is the last one */
  readonly #starts = new Map<string, number[]>();
  /** how long making the latest pool VMs took, in `ms` */
  #paces: number[] = [];

  constructor(limits: DemandLimits) {
    this.#limits = limits;
  }

  /** Notes how long making a pool VM has taken, in `ms`. */
  notePace(ms: number): void {
    this.#paces = [...this.#paces, ms].slice(-PACES);
  }

  /** Notes that a VM of this template starts. */
  note(key: string, nowMs: number): void {
    const times = [...(this.#starts.get(key) ?? []), nowMs].slice(-TIMES_PER_KEY);
    this.#starts.delete(key);
    this.#starts.set(key, times);
  }

  /** How many pool VMs of each template are wanted now; the template that was used last comes first. */
  wanted(nowMs: number): ReadonlyMap<string, number> {
    this.#forget(nowMs);
    const asked = [...this.#starts].reverse().map(([key, times]) => ({ key, count: this.#peak(times) }));
    const wanted = new Map<string, number>();
    let left = this.#limits.most;
    // Each shape gets one before any shape gets a second.
    for (let round = 1; left > 0 && asked.some(({ count }) => count >= round); round++) {
      for (const { key, count } of asked) {
        if (count < round || left === 0) continue;
        wanted.set(key, round);
        left--;
      }
    }
    return wanted;
  }

  /** Whether starts of this template follow each other faster than the pool makes new VMs. */
  isQuick(key: string, nowMs: number): boolean {
    this.#forget(nowMs);
    return this.#peak(this.#starts.get(key) ?? []) > 1;
  }

  /** Whether the last start of one template was before that of another. */
  isEarlier(key: string, other: string): boolean {
    const keys = [...this.#starts.keys()];
    return keys.indexOf(key) < keys.indexOf(other);
  }

  /** `ms` until less is wanted if nothing starts until then; `undefined` when nothing is wanted now. */
  changesInMs(nowMs: number): number | undefined {
    this.#forget(nowMs);
    const { forgetMs, keepMs } = this.#limits;
    const times = [...this.#starts.values()].flat();
    // The very last start keeps its pool VM for longer.
    const last = times.pop();
    if (last === undefined) return undefined;
    return Math.max(0, Math.min(...times.map((time) => time + forgetMs), last + keepMs) - nowMs);
  }

  /** Forgets starts that count no longer, except the very last one. */
  #forget(nowMs: number): void {
    const { forgetMs, keepMs } = this.#limits;
    const lastKey = [...this.#starts.keys()].at(-1);
    for (const [key, times] of this.#starts) {
      const recent = times.filter((time) => time > nowMs - Math.min(forgetMs, keepMs));
      const last = times.at(-1) ?? 0;
      if (recent.length > 0) this.#starts.set(key, recent);
      else if (key === lastKey && last > nowMs - keepMs) this.#starts.set(key, [last]);
      else this.#starts.delete(key);
    }
  }

  /**
   * Starts within this many `ms` of each other are quick. It is the shortest of the latest times, because
   * they vary: a start that waits until a pool VM is made must never seem quick beside one that took longer.
   */
  get #withinMs(): number {
    const { least, most } = this.#limits.withinMs;
    if (this.#paces.length === 0) return least;
    return Math.min(Math.max(Math.min(...this.#paces), least), most);
  }

  /** The largest number of starts in the time that making a pool VM takes. */
  #peak(times: readonly number[]): number {
    const withinMs = this.#withinMs;
    const inTime = (from: number, to: number): boolean => to <= from + withinMs;
    return times.reduce(
      (peak, from, index) => Math.max(peak, times.slice(index).filter((to) => inTime(from, to)).length),
      0,
    );
  }
}
