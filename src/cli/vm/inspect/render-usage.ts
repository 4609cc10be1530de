import { formatSize } from '../../../base/text/size.ts';
import type { StatsSample, VmPort, VmPorts, VmStats } from '../../../protocol/usage.ts';
import { fitColumns, renderTable } from '../../render/table.ts';

/** Returns a table of the ports on which guests listen, one per line. */
export function portsTable(all: readonly VmPorts[], { width }: { width: number | undefined }): string {
  const rows = all.flatMap(({ ports }) =>
    ports.map((port) => [
      port.endpoint,
      port.proto,
      port.process ?? '-',
      placeOf(port),
      port.problem ?? port.url ?? '-',
    ]),
  );
  const table = [['ENDPOINT', 'PROTO', 'PROCESS', 'ADDRESS', 'LINK'], ...rows];
  return renderTable(fitColumns(table, { width, leaveOut: ['LINK', 'PROCESS'] }), width);
}

/** Returns a sentence about ports that have another number on this host, when there are any. */
export function movedNote(all: readonly VmPorts[]): string | undefined {
  if (!all.some(({ ports }) => ports.some(isMoved))) return undefined;
  return 'this user may not use ports so low: they are 8000 higher on this host; banger doctor says how to allow them';
}

function isMoved({ port, hostPort = port, isExplicit }: VmPort): boolean {
  return hostPort !== port && !isExplicit;
}

function placeOf(port: VmPort): string {
  if (port.hostAddress === undefined || port.problem !== undefined) return '-';
  return `${port.hostAddress}:${port.hostPort}${isMoved(port) ? ' (moved)' : ''}`;
}

/** Returns what a VM uses, in a few lines. */
export function statsSummary({ vm, now }: VmStats): string {
  const { guest, host } = now;
  return renderTable([
    ['name', vm.name],
    ['cpu', guest ? cpuText(guest) : 'the guest does not answer'],
    ...(guest
      ? [['memory', usedOf(guest.memory.totalBytes - guest.memory.availableBytes, guest.memory.totalBytes)]]
      : []),
    ...(guest?.disks ?? []).map(({ mount, usedBytes, totalBytes }) => [
      `disk ${mount}`,
      usedOf(usedBytes, totalBytes),
    ]),
    ['host memory', formatSize(host.vmmMemoryBytes)],
    ['host disk', formatSize(host.driveBytes)],
    ['host cpu time', `${(host.vmmCpuMs / 1000).toFixed(1)}s`],
  ]);
}

/** Returns one measurement as one line, for following a VM in a log. */
export function statsLine({ at, guest, host }: StatsSample): string {
  const parts = guest
    ? [
        `cpu ${cpuText(guest)}`,
        `memory ${usedOf(guest.memory.totalBytes - guest.memory.availableBytes, guest.memory.totalBytes)}`,
        ...guest.disks.map(
          ({ mount, usedBytes, totalBytes }) => `disk ${mount} ${usedOf(usedBytes, totalBytes)}`,
        ),
      ]
    : ['the guest does not answer'];
  return [
    at,
    ...parts,
    `host ${formatSize(host.vmmMemoryBytes)} memory, ${formatSize(host.driveBytes)} disk`,
  ].join(' | ');
}

function cpuText({ cpu, cpuPercent }: NonNullable<StatsSample['guest']>): string {
  const load = `load ${cpu.load1.toFixed(2)} on ${cpu.count} vcpu`;
  return cpuPercent === undefined ? load : `${cpuPercent.toFixed(1)} %, ${load}`;
}

function usedOf(usedBytes: number, totalBytes: number): string {
  return `${formatSize(usedBytes)} of ${formatSize(totalBytes)}`;
}
