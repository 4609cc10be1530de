import { findRunningVm } from '../../core/vms/find-vm.ts';
import { killJob, listJobs, readJob, startJob } from '../../core/vms/guest/jobs.ts';
import { finishLeftCopy } from '../../core/vms/workspace/finish-copy.ts';
import * as jobs from '../../protocol/api/jobs.ts';
import type { ExecStart } from '../../protocol/guest.ts';
import { bytesRoute, jsonRoute, type Route } from '../http/route.ts';

/** Commands in guests that no client is connected to. */
export const JOB_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'POST',
    path: '/vms/:ref/jobs',
    summary: 'Start a command in the guest that keeps running without a client',
    body: jobs.startJobRequest,
    answer: jobs.job,
    run: async ({ app, params, body: { timeoutMs, ...start }, signal }) => {
      const record = findRunningVm(app.world.records, params['ref'] ?? '');
      await finishLeftCopy(app.world, record, { signal });
      return await startJob(app.world, { ref: record.id, start: start as ExecStart, timeoutMs, signal });
    },
  }),
  jsonRoute({
    method: 'GET',
    path: '/vms/:ref/jobs',
    summary: 'The jobs of the guest, oldest first',
    answer: jobs.vmJobs,
    run: ({ app, params, signal }) => listJobs(app.world, { ref: params['ref'] ?? '', signal }),
  }),
  bytesRoute({
    method: 'GET',
    path: '/vms/:ref/jobs/:job/output',
    summary: 'Output of a job as frames (docs/agent-protocol.md)',
    query: jobs.jobOutputQuery,
    contentType: 'application/octet-stream',
    run: ({ app, params, query: { after = '0', follow }, signal }) =>
      readJob(app.world, {
        ref: params['ref'] ?? '',
        jobId: params['job'] ?? '',
        after: Number(after),
        isFollowed: follow === '1',
        signal,
      }),
  }),
  jsonRoute({
    method: 'POST',
    path: '/vms/:ref/jobs/:job/kill',
    summary: 'End a job with all its descendants, or send it a signal',
    body: jobs.killJobRequest,
    answer: jobs.job,
    run: ({ app, params, body, signal }) =>
      killJob(app.world, {
        ref: params['ref'] ?? '',
        jobId: params['job'] ?? '',
        jobSignal: body.signal,
        signal,
      }),
  }),
];
