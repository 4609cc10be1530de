/**
 * Which VMs are in use through this daemon, and how long the others have been unused. In memory only: after a
 * restart every VM counts as just used.
 */
export class VmUse {
  readonly #vms = new Map<string, { count: number; lastAt: number }>();
  readonly #now: () => number;

  /** `now` returns `ms` of a monotonic clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Marks the VM as in use until disposed of. */
  begin(vmId: string): Disposable {
    const use = this.#of(vmId);
    use.count += 1;
    let isOver = false;
    return {
      [Symbol.dispose]: () => {
        if (isOver) return;
        isOver = true;
        use.count -= 1;
        use.lastAt = this.#now();
      },
    };
  }

  /** `ms` since the VM was last used, or first asked for; 0 while it is in use. */
  idleMs(vmId: string): number {
    const { count, lastAt } = this.#of(vmId);
    return count > 0 ? 0 : this.#now() - lastAt;
  }

  /** Forgets every VM except these and those in use. */
  retainOnly(vmIds: readonly string[]): void {
    for (const [vmId, { count }] of this.#vms) {
      if (count === 0 && !vmIds.includes(vmId)) this.#vms.delete(vmId);
    }
  }

  #of(vmId: string): { count: number; lastAt: number } {
    const known = this.#vms.get(vmId) ?? { count: 0, lastAt: this.#now() };
    this.#vms.set(vmId, known);
    return known;
  }
}
