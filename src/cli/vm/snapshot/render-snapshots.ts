import { formatSize } from '../../../base/text/size.ts';
import type { Snapshot } from '../../../protocol/api/snapshot.ts';
import { formatAge } from '../../render/format.ts';
import { renderTable } from '../../render/table.ts';

/** Snapshots of one VM as a table. */
export function snapshotTable(
  snapshots: readonly Snapshot[],
  { nowMs, width }: { nowMs: number; width: number | undefined },
): string {
  const rows = snapshots.map(({ tag, shape, diskBytes, createdAt }) => [
    tag,
    String(shape.vcpuCount),
    `${shape.memoryMib} MiB`,
    formatSize(diskBytes),
    formatAge(createdAt, nowMs),
  ]);
  return renderTable([['TAG', 'VCPU', 'MEM', 'ON DISK', 'CREATED'], ...rows], width);
}
