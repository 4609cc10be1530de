import { formatSize } from '../../base/text/size.ts';
import type { Paths } from '../../config/paths.ts';
import type { DaemonStatus } from '../../protocol/api/daemon.ts';
import { formatAge, formatElapsed } from '../render/format.ts';
import { renderTable } from '../render/table.ts';

/** Returns the state of the daemon in a few lines; `undefined` means that it is not running. */
export function daemonSummary(
  status: DaemonStatus | undefined,
  { paths, nowMs }: { paths: Paths; nowMs: number },
): string {
  if (!status) {
    return renderTable([
      ['state', 'not running'],
      ['socket', paths.daemonSocket],
      ['log', paths.daemonLogFile],
    ]);
  }
  return renderTable([
    ['state', 'running'],
    ['pid', String(status.pid)],
    ['version', `${status.version} (${status.build})`],
    ['socket', status.socketPath],
    ['log', status.logPath],
    ['started', formatAge(status.startedAt, nowMs)],
    ['running vms', String(status.runningVmCount)],
    ...poolRows(status),
    ['requests', String(status.activeRequestCount)],
    ['memory', formatSize(status.rssBytes)],
    ...(status.idleExitInMs === undefined ? [] : [['idle exit in', formatElapsed(status.idleExitInMs)]]),
  ]);
}

function poolRows({ pool, standbyVmId }: DaemonStatus): string[][] {
  if (!pool) return standbyVmId === undefined ? [] : [['pool vms', `1: ${standbyVmId}`]];
  const { vmIds, limit } = pool;
  const ids = vmIds.length === 0 ? '' : `: ${vmIds.join(', ')}`;
  return [['pool vms', `${vmIds.length} of at most ${limit}${ids}`]];
}
