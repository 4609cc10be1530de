import type { PulledPath } from '../../../../protocol/api/workspace-pull.ts';
import type { TreeEntry } from '../../sent/tree-changes.ts';
import type { FileStamp } from './host-side.ts';
import type { ThreeSides } from './merge-rule.ts';

/** One file that a pull changes. Paths are latin1. */
export interface PlannedStep {
  path: string;
  action: PulledPath['action'];
  /** absent: it is deleted */
  entry?: TreeEntry;
  /** the file as it was when it was read; absent: there was none */
  before?: FileStamp;
  /** what was merged */
  sides: ThreeSides;
}
