import { formatSize } from '../../../base/text/size.ts';
import type { StatsSample, VmPorts, VmStats } from '../../../protocol/usage.ts';
import { fitColumns, renderTable } from '../../render/table.ts';

/** Returns a table of the ports on which guests listen, one per line. */
export function portsTable(all: readonly VmPorts[], { width }: { width: number | undefined }): string {
  const rows = all.flatMap(({ ports }) =>
    ports.map(({ endpoint, proto, process, url }) => [endpoint, proto, process ?? '-', url ?? '-']),
  );
  const table = [['ENDPOINT', 'PROTO', 'PROCESS', 'LINK'], ...rows];
  return renderTable(fitColumns(table, { width, leaveOut: ['LINK', 'PROCESS'] }), width);
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
