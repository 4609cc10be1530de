import type { Abortable } from '../src/base/abort.ts';
import type { Lab } from './lab.ts';
import type { Span } from './spans.ts';

/** Most that the ratio to the floor, the median itself, or what it is above the floor, may be. */
export type Goal = { ratio: number } | { median: number } | { added: number };

/** What a measurement found: one line of the table. */
export interface Row {
  /** stable and unique: `bench/expectations.json` and the JSON document use it */
  name: string;
  what: string;
  unit: 'ms' | 'MiB';
  /** the first value, with cold caches; absent when that has no meaning */
  first?: number | undefined;
  /** median of the other values */
  median: number;
  /** the least possible value: the same work without banger */
  floor: number;
  /** what the floor is */
  floorIs: string;
  runs: number;
  goals?: readonly Goal[];
  /** where the time goes, from separate runs */
  spans?: readonly Span[];
}

/** A row that could not be measured here. */
export interface UnmeasuredRow {
  name: string;
  what: string;
  /** why, and what to do about it */
  notMeasured: string;
}

/** What one measurement found. */
export interface Measured {
  measurement: string;
  rows: readonly (Row | UnmeasuredRow)[];
}

/** How much is measured. */
export interface Effort extends Abortable {
  /** fewer runs and smaller trees: figures to look at, not to publish */
  isQuick: boolean;
  /** a repository of the user's to measure with, for the measurements that can */
  tree?: string | undefined;
}

/** Measures one thing, and its floor in the same run. */
export interface Measurement {
  name: string;
  /** it only runs when it is named */
  isOnRequest?: boolean;
  run(lab: Lab, effort: Effort): Promise<(Row | UnmeasuredRow)[]>;
}
