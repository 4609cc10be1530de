import type { Activity } from '../app.ts';

/** When an idle daemon exits. */
export interface IdleOptions {
  idleExitMs: number;
  /** something besides requests keeps the daemon alive: running VMs */
  isNeeded: () => boolean;
  onIdle: () => void;
}

/** Counts running work, and calls `onIdle` once when there has been none for `idleExitMs`. */
export class ActivityWatch implements Activity, Disposable {
  readonly startedAt = new Date();
  activeCount = 0;
  readonly #options: IdleOptions;
  readonly #timer: NodeJS.Timeout;
  #lastUseAt = performance.now();

  constructor(options: IdleOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#look(), Math.min(1_000, options.idleExitMs / 4));
    this.#timer.unref();
  }

  /** Called when something has begun or ended. */
  touch(): void {
    this.#lastUseAt = performance.now();
  }

  idleExitInMs(): number | undefined {
    if (this.#options.isNeeded()) return undefined;
    return Math.max(0, Math.round(this.#lastUseAt + this.#options.idleExitMs - performance.now()));
  }

  /** Stops watching. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    if (this.activeCount > 0 || this.#options.isNeeded()) this.touch();
    else if (this.idleExitInMs() === 0) {
      clearInterval(this.#timer);
      this.#options.onIdle();
    }
  }
}
