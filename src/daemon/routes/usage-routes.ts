import { listGuestPorts } from '../../core/vms/guest/list-guest-ports.ts';
import { sshAccess } from '../../core/vms/guest/ssh-access.ts';
import { vmStats } from '../../core/vms/guest/vm-stats.ts';
import { vmNetworkState } from '../../core/vms/network/vm-network-state.ts';
import { wakeVm } from '../../core/vms/network/wake-vm.ts';
import * as requests from '../../protocol/api/vm-requests.ts';
import * as usage from '../../protocol/usage.ts';
import { jsonRoute, type Route } from '../http/route.ts';

/** What VMs offer and use. */
export const USAGE_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/vms/:ref/ports',
    summary:
      'The ports on which programs in the guest listen, and where they are on this host; for web servers, also the URL',
    answer: usage.vmPorts,
    run: async ({ app, params, signal }) => {
      const areNamesResolved = await app.resolution.isResolved();
      return await listGuestPorts(app.world, params['ref'] ?? '', {
        forwards: app.forwards,
        areNamesResolved,
        signal,
      });
    },
  }),
  jsonRoute({
    method: 'GET',
    path: '/vms/:ref/stats',
    summary: 'What the VM uses in the guest and on the host, now and in the last minutes',
    answer: usage.vmStats,
    run: ({ app, params, signal }) => vmStats(app.world, params['ref'] ?? '', { signal }),
  }),
  jsonRoute({
    method: 'GET',
    path: '/vms/:ref/network',
    summary: "The network of the VM's guest: what it may reach, and what it has done",
    answer: usage.vmNetworkState,
    run: ({ app, params, signal }) => vmNetworkState(app.world, params['ref'] ?? '', { signal }),
  }),
  jsonRoute({
    method: 'GET',
    path: '/vms/:ref/ssh',
    summary: 'What OpenSSH needs to log in to the guest; resumes a suspended VM',
    answer: requests.sshAccess,
    run: async ({ app, params, signal }) => {
      const { id } = await wakeVm(app.world, params['ref'] ?? '', { signal });
      return await sshAccess(app.world, id, { signal });
    },
  }),
];
