import { nameServers } from '../../protocol/api/names.ts';
import { jsonRoute, type Route } from '../http/route.ts';

/** The API of the names of VMs on this host. */
export const NAME_ROUTES: readonly Route[] = [
  jsonRoute({
    method: 'GET',
    path: '/names',
    summary: 'The DNS server and the web gateway for the names of VMs',
    answer: nameServers,
    run: ({ app }) => app.localServers.status(),
  }),
];
