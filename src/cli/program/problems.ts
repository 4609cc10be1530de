import { AppError, isAppError } from '../../base/errors.ts';

/** Collects the problems of a command line, so that all of them are reported at once. */
export class ProblemList {
  readonly #problems: AppError[] = [];

  /** Adds a problem. */
  add(problem: AppError): void {
    this.#problems.push(problem);
  }

  /**
   * Runs a check and returns its value. Adds an {@link AppError} that it throws, and then returns
   * `undefined`.
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

  /** @throws {AppError} the problem, or USAGE_OPTIONS with the list when there are several. */
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
