import type { DamagedRecord, VmRecord, VmRecords } from '../../ports/records.ts';

/** Records that report which VMs they change. */
export class ObservedRecords implements VmRecords {
  readonly #records: VmRecords;
  readonly #listeners = new Set<(vmId: string) => void>();

  constructor(records: VmRecords) {
    this.#records = records;
  }

  /**
   * Calls `listener` after each change of a record (also of its name, or its end), until disposed of. It must
   * not throw, and runs before the change returns to its caller.
   */
  listen(listener: (vmId: string) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  list(): VmRecord[] {
    return this.#records.list();
  }

  get(id: string): VmRecord | undefined {
    return this.#records.get(id);
  }

  damaged(): DamagedRecord[] {
    return this.#records.damaged();
  }

  insert(record: VmRecord): void {
    this.#records.insert(record);
    this.#report(record.id);
  }

  update(record: VmRecord): VmRecord {
    const updated = this.#records.update(record);
    this.#report(record.id);
    return updated;
  }

  updateAll(records: readonly VmRecord[]): VmRecord[] {
    const updated = this.#records.updateAll(records);
    for (const { id } of records) this.#report(id);
    return updated;
  }

  delete(id: string): void {
    this.#records.delete(id);
    this.#report(id);
  }

  #report(vmId: string): void {
    for (const listener of this.#listeners) listener(vmId);
  }
}
