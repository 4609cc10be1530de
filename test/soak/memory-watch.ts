import { readFile } from 'node:fs/promises';
import { invariant } from '../../src/base/errors.ts';

/** Memory of the daemon at one moment, in `MiB`. */
interface MemorySample {
  /** `ms` since the watch began */
  atMs: number;
  rssMib: number;
  /** private pages that were written, which would be free without the process */
  privateMib: number;
}

/** Measures the memory of a process repeatedly. */
export class MemoryWatch implements Disposable {
  readonly samples: MemorySample[] = [];
  readonly #pid: number;
  readonly #begunAt = performance.now();
  readonly #timer: NodeJS.Timeout;

  /** Starts to measure every `everyMs`. */
  constructor(pid: number, everyMs: number) {
    this.#pid = pid;
    // A process that is gone makes other checks fail.
    this.#timer = setInterval(() => void this.look().catch(() => {}), everyMs);
  }

  /** Measures once, now. */
  async look(): Promise<MemorySample> {
    const text = await readFile(`/proc/${this.#pid}/smaps_rollup`, 'utf8');
    const mib = (field: string): number => {
      const match = new RegExp(`^${field}: +([0-9]+) kB$`, 'm').exec(text);
      invariant(match, `smaps_rollup has no ${field}`);
      return Number(match[1]) / 1024;
    };
    const sample = {
      atMs: performance.now() - this.#begunAt,
      rssMib: mib('Rss'),
      privateMib: mib('Private_Clean') + mib('Private_Dirty'),
    };
    this.samples.push(sample);
    return sample;
  }

  /** The maximum so far. */
  peakMib(): number {
    return Math.max(...this.samples.map(({ rssMib }) => rssMib));
  }

  /** Growth since `sinceMs`, in `MiB` per hour. */
  slopeMibPerHour(sinceMs: number): number {
    const since = this.samples.filter(({ atMs }) => atMs >= sinceMs);
    return slopePerHour(since.map(({ atMs, rssMib }) => ({ atMs, value: rssMib })));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/** The slope of the line that fits the values best (least squares), per hour. */
export function slopePerHour(points: readonly { atMs: number; value: number }[]): number {
  const meanMs = mean(points.map(({ atMs }) => atMs));
  const meanValue = mean(points.map(({ value }) => value));
  let above = 0;
  let below = 0;
  for (const { atMs, value } of points) {
    above += (atMs - meanMs) * (value - meanValue);
    below += (atMs - meanMs) ** 2;
  }
  return below === 0 ? 0 : (above / below) * 3_600_000;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
