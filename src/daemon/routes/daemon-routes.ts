import { memoryUsage, pid } from 'node:process';
import { done } from '../../protocol/api/common.ts';
import * as schemas from '../../protocol/api/daemon.ts';
import { buildLabel } from '../../protocol/build-info.ts';
import type { App } from '../app.ts';
import { fixHost, runChecks } from '../doctor/checks.ts';
import { checkDeeply } from '../doctor/deep.ts';
import { jsonRoute, type Route, workRoute } from '../http/route.ts';

/** The API of the daemon itself. */
export const DAEMON_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/daemon',
    summary: 'State of the daemon',
    answer: schemas.daemonStatus,
    run: ({ app }) => statusOf(app),
  }),
  jsonRoute({
    method: 'POST',
    path: '/daemon/stop',
    summary: 'Finish running requests, refuse new ones, then exit; VMs keep running',
    answer: done,
    run: ({ app }) => {
      // After the answer, so that the client receives it.
      setImmediate(() => app.stop('a client asked for it'));
      return {};
    },
  }),
  jsonRoute({
    method: 'GET',
    path: '/doctor',
    summary: 'Check this host; read-only',
    answer: schemas.doctorReport,
    run: async ({ app, signal }) => ({ checks: await runChecks(app.doctor, { signal }) }),
  }),
  workRoute({
    method: 'POST',
    path: '/doctor/deep',
    summary: 'Check all saved guests against their checksums; damaged templates are set aside',
    answer: schemas.doctorReport,
    run: async ({ app, signal, report }) => ({
      value: { checks: await checkDeeply(app.doctor, { signal, report }) },
    }),
  }),
  jsonRoute({
    method: 'POST',
    path: '/doctor/fix',
    summary: 'Remove orphaned files and processes of banger, then check this host again',
    answer: schemas.doctorFix,
    run: async ({ app, signal }) => {
      const fixed = await fixHost(app.doctor, { signal });
      return { fixed, checks: await runChecks(app.doctor, { signal }) };
    },
  }),
];

function statusOf(app: App): schemas.DaemonStatus {
  const idleExitInMs = app.activity.idleExitInMs();
  const { pool } = app.world;
  const standbyVmId = pool?.vmIds[0];
  const { rss, heapUsed, heapTotal, external } = memoryUsage();
  return {
    pid,
    version: app.build.version,
    build: buildLabel(app.build),
    socketPath: app.paths.daemonSocket,
    logPath: app.paths.daemonLogFile,
    startedAt: app.activity.startedAt.toISOString(),
    runningVmCount: app.world.live.ids().length,
    ...(standbyVmId === undefined ? {} : { standbyVmId }),
    ...(pool ? { pool: { vmIds: [...pool.vmIds], limit: pool.most } } : {}),
    // Not counting this request.
    activeRequestCount: app.activity.activeCount - 1,
    ...(idleExitInMs === undefined ? {} : { idleExitInMs }),
    rssBytes: rss,
    memory: { heapUsedBytes: heapUsed, heapTotalBytes: heapTotal, externalBytes: external },
  };
}
