/**
 * Who uses which VM through this daemon, and since when nobody does. In memory only: after a restart every VM
 * counts as just used.
 */
export class VmUse {
  readonly #vms = new Map<string, { count: number; lastAt: number }>();
  readonly #now: () => number;

  /** `now` gives `ms` of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Somebody uses the VM until it is disposed of. */
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

  /** `ms` since the VM was last used, or first asked for; 0 while it is. */
  idleMs(vmId: string): number {
    const { count, lastAt } = this.#of(vmId);
    return count > 0 ? 0 : this.#now() - lastAt;
  }

  /** Forgets every VM but these, unless it is in use. */
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
