import { formatSize } from '../../base/text/size.ts';
import type { Vm } from '../../protocol/vm.ts';
import { formatAge, shortId } from './format.ts';
import { fitColumns, renderTable } from './table.ts';

/** Returns a summary of a VM in a few lines. */
export function vmSummary(vm: Vm): string {
  return renderTable([
    ['name', vm.name],
    ['id', vm.id],
    ['state', vm.state],
    ['image', vm.image],
    ['vcpu', String(vm.shape.vcpuCount)],
    ['memory', `${vm.shape.memoryMib} MiB`],
    ['disk', formatSize(vm.shape.diskSizeBytes)],
    ['network', vm.nat ? 'nat' : 'none'],
    ...(vm.guest_ip ? [['ip', vm.guest_ip]] : []),
    ...vmmRow(vm),
  ]);
}

function vmmRow({ vmm, runtime }: Vm): string[][] {
  if (runtime) return [['vmm', `${runtime.vmm} (${runtime.accelerator})`]];
  return vmm === undefined ? [] : [['vmm', vmm]];
}

/** Columns that are dropped first on a narrow terminal. */
const LEAVE_OUT = ['WORKSPACE', 'DISK', 'MEM', 'VCPU', 'CREATED', 'IMAGE'];

/** Returns VMs as a table, cut to `width` if given. */
export function vmTable(
  vms: readonly Vm[],
  { nowMs, width }: { nowMs: number; width: number | undefined },
): string {
  const rows = vms.map((vm) => [
    shortId(vm.id),
    vm.name,
    vm.lastError ? `${vm.state} (${vm.lastError.code})` : vm.state,
    vm.guest_ip ?? '-',
    vm.image,
    String(vm.shape.vcpuCount),
    `${vm.shape.memoryMib} MiB`,
    formatSize(vm.shape.diskSizeBytes),
    vm.workspace?.guestPath ?? '-',
    formatAge(vm.createdAt, nowMs),
  ]);
  const heading = ['ID', 'NAME', 'STATE', 'IP', 'IMAGE', 'VCPU', 'MEM', 'DISK', 'WORKSPACE', 'CREATED'];
  return renderTable(fitColumns([heading, ...rows], { width, leaveOut: LEAVE_OUT }), width);
}
