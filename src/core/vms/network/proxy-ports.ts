import type { Abortable } from '../../../base/abort.ts';
import type { HostContent, OutsideContent } from '../../ports/host-user.ts';
import type { VmRecord } from '../../ports/records.ts';
import type { RunningVm } from '../../ports/vmm/running-vm.ts';
import { networkOf } from './network-of.ts';

/** The record of a VM whose guest is given these proxies, if it has a network. Pure. */
export function withProxyPorts(
  record: VmRecord,
  { proxyPorts }: Pick<OutsideContent, 'proxyPorts'>,
): VmRecord {
  const { proxyPorts: _, ...others } = record;
  return record.network.mode === 'none' || proxyPorts.length === 0 ? others : { ...others, proxyPorts };
}

/**
 * Lets a guest that was connected for `record` reach the proxies on this host's loopback that it is given.
 *
 * @throws {AppError} as `RunningVm.setNetwork`.
 */
export async function exposeProxies(
  record: VmRecord,
  { running, content, signal }: Abortable & { running: RunningVm; content: Pick<HostContent, 'outside'> },
): Promise<void> {
  const [before, after] = [record, withProxyPorts(record, content.outside)].map(networkOf);
  if (!after || JSON.stringify(before) === JSON.stringify(after)) return;
  await running.setNetwork(after, { signal });
}
