/** Background work by key. When several tasks have the same key, only the latest one counts. */
export class LatestTasks {
  readonly #latest = new Map<string, Promise<void>>();

  /**
   * Starts `work`, which must not reject, and which has to check that it still counts before it changes
   * anything.
   */
  begin(key: string, work: (isLatest: () => boolean) => Promise<void>): void {
    const isLatest = (): boolean => this.#latest.get(key) === task;
    const run = async (): Promise<void> => {
      // Only once it is registered under its key.
      await undefined;
      await work(isLatest);
      if (isLatest()) this.#latest.delete(key);
    };
    const task = run();
    this.#latest.set(key, task);
  }

  /** Waits until no task that counts is running, including those that start meanwhile. */
  async settled(): Promise<void> {
    while (this.#latest.size > 0) await Promise.all(this.#latest.values());
  }
}
