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
export function networkLines(state: VmNetworkState): string {
  const { vm, mode, exposedPorts, process } = state;
  const facts = renderTable([
    ['name', vm.name],
    ['network', mode === 'user' ? 'nat' : mode],
    ['host ports', exposedPorts.join(', ') || 'none'],
    ...(process ? [['process', `${process.pid}${process.isConnected ? '' : ' (not connected)'}`]] : []),
    ...(process
      ? SHOWN.flatMap(([key, words]) => {
          const count = process.counters[key];
          return typeof count === 'number' ? [[words, String(count)]] : [];
        })
      : []),
  ]);
  return [facts, ruleLines(state), secretLines(state)].filter((part) => part !== '').join('\n\n');
}

/** The secrets, with where their values are and who gets them. */
function secretLines({ secrets = [] }: VmNetworkState): string {
  if (secrets.length === 0) return '';
  const rows = secrets.map(({ name, source, host, port, isKnown }) => [
    name,
    source,
    `${host}:${port}`,
    isKnown === undefined ? '-' : isKnown ? 'yes' : 'no: give it again with banger vm set --secret',
  ]);
  return renderTable([['SECRET', 'SOURCE', 'ONLY FOR', 'KNOWN'], ...rows]);
}

/** The rules with their counters, and the hosts of presets. */
function ruleLines({ policy, process }: VmNetworkState): string {
  const learns =
    process?.policy?.mode === 'learn' ? 'learning: everything outside is allowed meanwhile\n' : '';
  if (!policy) return learns.trimEnd();
  if (policy.allow.length === 0) return `${learns}no rules: the guest reaches nothing outside`;
  const counts = new Map(process?.policy?.rules.map(({ rule, allowed }) => [rule, String(allowed)]));
  const rows = policy.allow.map((rule) => {
    const hosts = policy.rules.filter(({ from }) => from === rule).map((one) => one.rule);
    return [rule, counts.get(rule) ?? '-', hosts.join(' ')];
  });
  return `${learns}${renderTable([['RULE', 'ALLOWED', 'HOSTS'], ...rows])}`;
}
