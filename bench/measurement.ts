import type { Abortable } from '../src/base/abort.ts';
import type { Lab } from './lab.ts';

/** What a measurement found: one line of the table. */
export interface Row {
  what: string;
  unit: 'ms' | 'MiB';
  /** the first value, before anything was warm; absent where that means nothing */
  first?: number | undefined;
  /** median of the others */
  median: number;
  /** the least that could be: the same without us */
  floor: number;
  /** what the floor is */
  floorIs: string;
  runs: number;
  /** most that the ratio to the floor, or the median itself, may be */
  goal?: { ratio: number } | { median: number };
}

/** How much is measured. */
export interface Effort extends Abortable {
  /** fewer runs and smaller trees: figures to look at, not to publish */
  isQuick: boolean;
}

/** One thing that is measured, beside its floor, in the same run. */
export interface Measurement {
  name: string;
  run(lab: Lab, effort: Effort): Promise<Row[]>;
}
