/** Work in the background, by key. Of several for one key only the one that began last counts. */
export class LatestTasks {
  readonly #latest = new Map<string, Promise<void>>();

  /** Begins `work`, which must not reject, and asks whether it still counts before it changes anything. */
  begin(key: string, work: (isLatest: () => boolean) => Promise<void>): void {
    const isLatest = (): boolean => this.#latest.get(key) === task;
    const run = async (): Promise<void> => {
      // Not before it is known by its key.
      await undefined;
      await work(isLatest);
      if (isLatest()) this.#latest.delete(key);
    };
    const task = run();
    this.#latest.set(key, task);
  }

  /** Waits until none that counts is under way, those that begin meanwhile included. */
  async settled(): Promise<void> {
    while (this.#latest.size > 0) await Promise.all(this.#latest.values());
  }
}
