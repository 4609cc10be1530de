/** One part of the run time of a command. */
export interface Span {
  /** `cli` before the first request to the daemon; then a stage of the daemon, or work on this side */
  stage: string;
  /** how long it took, in `ms`; a part that occurs several times is summed */
  ms: number;
}

/** Records where the time of this process goes. Each part lasts until the next one begins. */
export class SpanRecorder {
  readonly #spans = new Map<string, number>();
  readonly #now: () => number;
  #stage = 'cli';
  #begunAt = 0;

  /** `now` returns the `ms` since the process started. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * Returns a recorder that starts with the parts recorded so far and then records separately, for one of
   * several concurrent tasks.
   */
  branch(): SpanRecorder {
    const branch = new SpanRecorder(this.#now);
    for (const [stage, ms] of this.#spans) branch.#spans.set(stage, ms);
    branch.#stage = this.#stage;
    branch.#begunAt = this.#begunAt;
    return branch;
  }

  /** Ends the current part and begins the part `stage`. */
  begin(stage: string): void {
    const now = this.#now();
    this.#spans.set(this.#stage, (this.#spans.get(this.#stage) ?? 0) + now - this.#begunAt);
    this.#stage = stage;
    this.#begunAt = now;
  }

  /** Returns all parts up to now, in order of first occurrence. They add up to the life of this process. */
  spans(): Span[] {
    this.begin(this.#stage);
    return [...this.#spans].map(([stage, ms]) => ({ stage, ms }));
  }
}

/**
 * Returns what a command adds to its `--json` value: with `--timings` the parts up to now, rounded to a tenth
 * of a `ms`; else nothing.
 */
export function spansOf(recorder: SpanRecorder, { isTimed }: { isTimed: boolean }): { spans?: Span[] } {
  if (!isTimed) return {};
  return { spans: recorder.spans().map(({ stage, ms }) => ({ stage, ms: Math.round(ms * 10) / 10 })) };
}
