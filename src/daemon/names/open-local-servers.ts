import { neverAborts } from '../../base/abort.ts';
import type { Logger } from '../../base/log.ts';
import type { Settings } from '../../config/settings.ts';
import type { PeerUsers } from '../../core/ports/loopback.ts';
import type { ObservedRecords } from '../../core/vms/network/observed-records.ts';
import { PROBE_LABEL } from '../../protocol/api/names.ts';
import type { App } from '../app.ts';
import { vmGuests } from '../gateway/vm-guests.ts';
import { LocalServers } from './local-servers.ts';
import { vmZone } from './vm-zone.ts';

/** Opens the servers that the settings ask for. */
export function openLocalServers(
  { dns, gatewayPort }: Pick<Settings, 'dns' | 'gatewayPort'>,
  {
    log,
    peers,
    records,
    ...parts
  }: Pick<App, 'world' | 'use' | 'takeOver'> & { log: Logger; peers: PeerUsers; records: ObservedRecords },
): LocalServers {
  return new LocalServers({
    log,
    dns: dns && {
      place: dns,
      zone: vmZone(records, { probeLabel: PROBE_LABEL, ownAddress: dns.address }),
    },
    gateway:
      gatewayPort === undefined
        ? undefined
        : {
            port: gatewayPort,
            guests: vmGuests(parts),
            isAllowed: ({ localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 }) =>
              peers.isOwn({ localAddress, localPort, remoteAddress, remotePort }, { signal: neverAborts() }),
          },
  });
}
