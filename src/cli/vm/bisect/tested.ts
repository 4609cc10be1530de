import { printable } from '../../../base/errors.ts';
import { formatTime } from '../../../base/text/words.ts';
import type { CommandContext } from '../../context/context.ts';
import type { Verdict } from './choose-commit.ts';

/** The test of one commit, as `--json` has it. Fields are added, never changed. */
export interface Tested {
  commit: string;
  subject: string;
  verdict: Exclude<Verdict, 'stop'>;
  exitStatus: number;
  /** of the command, in `ms` */
  durationMs: number;
  /** path of its log on this host */
  log: string;
}

/** What a test of a commit is shown as. */
export function testedLine(
  { commit, subject, verdict, exitStatus, durationMs }: Tested,
  { errorStyle: style }: Pick<CommandContext, 'errorStyle'>,
): string {
  const colour = { good: style.green, bad: style.red, skipped: style.yellow }[verdict];
  const status = verdict === 'bad' ? `status ${exitStatus}, ` : '';
  return `${colour(verdict)} ${commit.slice(0, 12)} ${printable(subject)}  ${style.dim(status + formatTime(durationMs))}`;
}
