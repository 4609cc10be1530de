/** Counts who uses what, by key. */
export class UseCounts {
  readonly #counts = new Map<string, number>();

  /** Counts a use until disposed of, which is idempotent. */
  hold(key: string): Disposable {
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        const left = (this.#counts.get(key) ?? 1) - 1;
        if (left > 0) this.#counts.set(key, left);
        else this.#counts.delete(key);
      },
    };
  }

  /** Whether anything uses it now. */
  has(key: string): boolean {
    return this.#counts.has(key);
  }
}
