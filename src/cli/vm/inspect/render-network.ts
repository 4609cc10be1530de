import type { VmNetworkState } from '../../../protocol/usage.ts';
import { renderTable } from '../../render/table.ts';

/** Counters by the words for them, in the order in which they are shown. */
const SHOWN: readonly (readonly [string, string])[] = [
  ['connections', 'connections'],
  ['openConnections', 'open connections'],
  ['datagramFlows', 'datagram flows'],
  ['queries', 'queries of names'],
  ['pings', 'pings'],
  ['refused', 'refused'],
  ['failed', 'failed'],
  ['bytesFromGuest', 'bytes from the guest'],
  ['bytesToGuest', 'bytes to the guest'],
  ['spoofedFrames', 'frames with a false address'],
];

/** A VM's network for people. Pure. */
export function networkLines({ vm, mode, exposedPorts, process }: VmNetworkState): string {
  return renderTable([
    ['name', vm.name],
    ['network', mode === 'user' ? 'nat' : mode],
    ...(mode === 'none' ? [] : [['host ports', exposedPorts.join(', ') || 'none']]),
    ...(process ? [['process', `${process.pid}${process.isConnected ? '' : ' (not connected)'}`]] : []),
    ...(process
      ? SHOWN.flatMap(([key, words]) => {
          const count = process.counters[key];
          return typeof count === 'number' ? [[words, String(count)]] : [];
        })
      : []),
  ]);
}
