/** What is known of a history between a bad commit and good ones. */
export interface Known {
  /** the oldest commit that is known to be bad */
  bad: string;
  /** commits that cannot be tested */
  skipped: ReadonlySet<string>;
}

/** What follows: a commit to test, the first bad one, or those among which it is after skips. */
export type Choice =
  | { kind: 'test'; id: string; openCount: number }
  | { kind: 'found'; id: string }
  | { kind: 'unclear'; ids: string[] };

/** An irrational step: its multiples spread evenly, wherever skipped commits are. */
const GOLDEN = (Math.sqrt(5) - 1) / 2;

/**
 * Chooses the next commit. `candidates` are those that may be the first bad one, as
 * `git rev-list --bisect-all` lists them: the one that halves the rest comes first. Near a commit that cannot
 * be tested there are often more of them; so once the best one was skipped, the choice goes elsewhere, a
 * different way each time. Pure.
 */
export function chooseCommit(candidates: readonly string[], { bad, skipped }: Known): Choice {
  const open = candidates.filter((id) => id !== bad);
  const [best] = open;
  if (best === undefined) return { kind: 'found', id: bad };
  const testable = open.filter((id) => !skipped.has(id));
  if (testable.length === 0) return { kind: 'unclear', ids: [...open, bad] };
  if (!skipped.has(best)) return { kind: 'test', id: best, openCount: testable.length };
  const at = Math.floor(((skipped.size * GOLDEN) % 1) * testable.length);
  return { kind: 'test', id: testable[at] ?? best, openCount: testable.length };
}

/** How a command's exit status judges a commit; `stop`: not at all. As `git bisect run` does. */
export type Verdict = 'good' | 'bad' | 'skipped' | 'stop';

/** Exit status of a command that says that a commit cannot be tested. */
const SKIP_STATUS = 125;

/** Judges a commit by the exit status of the command: 128 and more is a signal, or no status of a test. */
export function verdictOf(status: number): Verdict {
  if (status === 0) return 'good';
  if (status === SKIP_STATUS) return 'skipped';
  return status < 128 ? 'bad' : 'stop';
}

/** About how many commits are still to be tested when `openCount` may be. */
export function stepsLeft(openCount: number): number {
  return Math.ceil(Math.log2(openCount + 1));
}
