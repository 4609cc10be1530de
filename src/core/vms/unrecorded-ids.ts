/**
 * Ids of VMs that the daemon makes for itself: pool VMs, and VMs that become templates. They have folders and
 * a VMM but no record, so the next daemon removes what a crash leaves of them.
 */
export class UnrecordedIds {
  readonly #ids = new Set<string>();

  /** Adds the VM until the result is disposed of. */
  add(vmId: string): Disposable {
    this.#ids.add(vmId);
    return { [Symbol.dispose]: () => void this.#ids.delete(vmId) };
  }

  has(vmId: string): boolean {
    return this.#ids.has(vmId);
  }
}
