/**
 * Undo steps of half-finished work: each resource defers its own undo right after it was acquired. Disposing
 * runs all of them, last in first out, collects failures, and forgets them; `move()` hands them to the new
 * owner on success.
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

  /** Takes all steps into a new stack; this one has nothing left to do. */
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
