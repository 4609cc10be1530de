/**
 * Ids of VMs of nobody that are ours: they have folders and a VMM, and no record. What a daemon that died
 * leaves of them the next one removes.
 */
export class UnlistedVms {
  readonly #ids = new Set<string>();

  /** Until disposed of, the VM is one of them. */
  add(vmId: string): Disposable {
    this.#ids.add(vmId);
    return { [Symbol.dispose]: () => void this.#ids.delete(vmId) };
  }

  has(vmId: string): boolean {
    return this.#ids.has(vmId);
  }
}
