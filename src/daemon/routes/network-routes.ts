import { Readable } from 'node:stream';
import { findVm } from '../../core/vms/find-vm.ts';
import { checkNetwork, learnNetwork } from '../../core/vms/network/check-network.ts';
import * as network from '../../protocol/api/network.ts';
import { jsonRoute, type Route, textRoute, workRoute } from '../http/route.ts';
import { followLog } from '../log/follow-log.ts';

/** The networks of VMs. */
export const NETWORK_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'POST',
    path: '/vms/:ref/network/check',
    summary: 'What would happen if the guest of a running VM opened a connection, and why',
    body: network.checkNetworkRequest,
    answer: network.networkVerdict,
    run: ({ app, params, body: { target }, signal }) =>
      checkNetwork(app.world, params['ref'] ?? '', { target, signal }),
  }),
  workRoute({
    method: 'POST',
    path: '/vms/:ref/network/learn',
    summary:
      'Allow the guest everything outside for a time, and return the rules for what it used; its own rules are in force again afterwards, also when the client hangs up',
    body: network.learnNetworkRequest,
    answer: network.learnedRules,
    run: async ({ app, params, body: { forMs }, signal, report }) => ({
      value: await learnNetwork(app.world, params['ref'] ?? '', { forMs, signal, report }),
    }),
  }),
  textRoute({
    method: 'GET',
    path: '/vms/:ref/network/log',
    summary: 'What the network of a VM allowed and refused, one JSON value per line; the log is bounded',
    query: network.networkLogQuery,
    run: async ({ app, params, query, signal }) => {
      const { id } = findVm(app.world.records, params['ref'] ?? '');
      const { decisionsLogPath: path } = app.world.files.folders(id);
      const isOver = (): boolean => app.world.records.get(id) === undefined;
      return Readable.from(bothLogs(path, { isFollowed: query.follow === '1', isOver, signal }), {
        objectMode: false,
      });
    },
  }),
];

/** The older log and the present one. */
async function* bothLogs(
  path: string,
  options: Parameters<typeof followLog>[1],
): AsyncGenerator<Buffer, void, undefined> {
  yield* followLog(`${path}.1`, { ...options, isFollowed: false });
  yield* followLog(path, options);
}
