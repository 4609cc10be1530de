import { AppError, isAppError } from '../../base/errors.ts';

/** Collects what is wrong with a command line, so that all of it is told at once. */
export class ProblemList {
  readonly #problems: AppError[] = [];

  /** Adds a problem. */
  add(problem: AppError): void {
    this.#problems.push(problem);
  }

  /**
   * Runs a check; an {@link AppError} that it throws is added, and `undefined` is given instead of its value.
   */
  attempt<T>(check: () => T): T | undefined {
    try {
      return check();
    } catch (error) {
      if (!isAppError(error)) throw error;
      this.add(error);
      return undefined;
    }
  }

  /** @throws {AppError} the problem, or USAGE_OPTIONS with all of them when there are several. */
  throwAny(): void {
    const [first, ...more] = this.#problems;
    if (!first) return;
    if (more.length === 0) throw first;
    throw new AppError(
      'USAGE_OPTIONS',
      `Cannot use this command line: it has ${this.#problems.length} problems`,
      {
        details: {
          problems: this.#problems.map(({ code, message, hint, details }) => ({
            code,
            message,
            hint,
            ...details,
          })),
        },
      },
    );
  }
}
