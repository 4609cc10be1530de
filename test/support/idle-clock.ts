import { until } from './until.ts';

/** The daemon calls `now()` for each unused VM in each check. So many calls contain a whole check. */
const CALLS_OF_A_LOOK = 25;

/** The clock with which a daemon measures how long VMs have been unused; a test sets it. */
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

  /** Waits until the daemon has checked its VMs. At least one unused VM must run. */
  async hasLooked(): Promise<void> {
    const enough = this.#calls + CALLS_OF_A_LOOK;
    await until(() => this.#calls >= enough, { what: 'the daemon to look at its VMs' });
  }
}
