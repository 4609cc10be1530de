import { until } from './until.ts';

/** The daemon calls `now()` at each look, for each VM that nobody uses. So many calls hold a whole look. */
const CALLS_OF_A_LOOK = 25;

/** The clock by which a daemon tells how long VMs have not been used; a test sets it. */
export class IdleClock {
  readonly everyMs = 20;
  #nowMs = 0;
  #calls = 0;

  readonly now = (): number => {
    this.#calls += 1;
    return this.#nowMs;
  };

  advance(ms: number): void {
    this.#nowMs += ms;
  }

  /** Waits until the daemon has looked at its VMs. At least one must run that nobody uses. */
  async hasLooked(): Promise<void> {
    const enough = this.#calls + CALLS_OF_A_LOOK;
    await until(() => this.#calls >= enough, { what: 'the daemon to look at its VMs' });
  }
}
