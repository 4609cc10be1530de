/**
 * Undo steps of unfinished work: after each acquisition, the caller immediately defers its undo. Disposing
 * runs all of them, last in first out, collects failures, and forgets them; on success, `move()` hands them
 * to the new owner.
 *
 *     await using undo = new ResourceStack();
 *     const dir = await makeDir();
 *     undo.defer('remove directory', () => removeDir(dir));
 *     return new Owner(dir, undo.move());
 */
export class ResourceStack implements AsyncDisposable {
  #steps: { what: string; undo: () => Promise<void> | void }[] = [];

  /** Adds one undo step; `what` names it in the error when it fails. */
  defer(what: string, undo: () => Promise<void> | void): void {
    this.#steps.push({ what, undo });
  }

  /** Moves all steps into a new stack; this one is then empty. */
  move(): ResourceStack {
    const next = new ResourceStack();
    next.#steps = this.#steps;
    this.#steps = [];
    return next;
  }

  /**
   * Runs every step even when some fail. Idempotent. @throws {AggregateError} with one error per failed step.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    const steps = this.#steps;
    this.#steps = [];
    const failures: Error[] = [];
    for (const step of steps.reverse()) {
      try {
        await step.undo();
      } catch (error) {
        failures.push(new Error(`${step.what} failed`, { cause: error }));
      }
    }
    if (failures.length > 0) {
      throw new AggregateError(failures, failures.map((f) => f.message).join('; '));
    }
  }
}
