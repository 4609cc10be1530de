import { shellWord } from '../../../base/text/shell-word.ts';
import { formatSize } from '../../../base/text/size.ts';
import type { Job } from '../../../protocol/api/jobs.ts';
import { formatAge } from '../../render/format.ts';
import { renderTable } from '../../render/table.ts';

/** Returns jobs as a table, cut to `width` if given. */
export function jobTable(
  jobs: readonly Job[],
  { nowMs, width }: { nowMs: number; width: number | undefined },
): string {
  const rows = jobs.map((job) => [
    job.id,
    stateOf(job),
    formatAge(job.startedAt, nowMs),
    job.endedAt === undefined ? '-' : formatAge(job.endedAt, nowMs),
    formatSize(job.keptBytes),
    `${job.command.map(shellWord).join(' ')}${job.isCut ? ' ...' : ''}`,
  ]);
  return renderTable([['ID', 'STATE', 'STARTED', 'ENDED', 'KEPT', 'COMMAND'], ...rows], width);
}

/** How a job stands, in a few words. */
export function stateOf({ state, exit }: Pick<Job, 'state' | 'exit'>): string {
  if (state === 'running') return 'running';
  if (!exit) return 'ended';
  if (!('code' in exit)) return exit.signal;
  return exit.timedOut ? 'timed out' : `exit ${exit.code}`;
}
