/** One part of what a command did. */
export interface Span {
  /** `cli` before anything was asked of the daemon; else a stage of the daemon's, or what this side did */
  stage: string;
  /** time that it took, in `ms`; parts that come again are added up */
  ms: number;
}

/** Where the time of this process goes: each part lasts until the next one begins. */
export class SpanRecorder {
  readonly #spans = new Map<string, number>();
  readonly #now: () => number;
  #stage = 'cli';
  #begunAt = 0;

  /** `now` gives the `ms` since the process began. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /**
   * A recorder with the same past, and a future of its own: for one of several things that happen at once.
   */
  branch(): SpanRecorder {
    const branch = new SpanRecorder(this.#now);
    for (const [stage, ms] of this.#spans) branch.#spans.set(stage, ms);
    branch.#stage = this.#stage;
    branch.#begunAt = this.#begunAt;
    return branch;
  }

  /** From now on it is this part. */
  begin(stage: string): void {
    const now = this.#now();
    this.#spans.set(this.#stage, (this.#spans.get(this.#stage) ?? 0) + now - this.#begunAt);
    this.#stage = stage;
    this.#begunAt = now;
  }

  /** All parts up to now, in the order in which they first came. They add up to the life of this process. */
  spans(): Span[] {
    this.begin(this.#stage);
    return [...this.#spans].map(([stage, ms]) => ({ stage, ms }));
  }
}

/**
 * What a command adds to the value that `--json` prints: with `--timings` the parts up to now, to a tenth of
 * a `ms`; else nothing.
 */
export function spansOf(recorder: SpanRecorder, { isTimed }: { isTimed: boolean }): { spans?: Span[] } {
  if (!isTimed) return {};
  return { spans: recorder.spans().map(({ stage, ms }) => ({ stage, ms: Math.round(ms * 10) / 10 })) };
}
