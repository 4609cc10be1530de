import { formatSize } from '../../base/text/size.ts';
import type { WorkspaceBase } from '../../protocol/api/workspace-base.ts';
import { formatAge } from '../render/format.ts';
import { renderTable } from '../render/table.ts';

/** Returns base images as a table. */
export function baseTable(
  bases: readonly WorkspaceBase[],
  { nowMs, width }: { nowMs: number; width: number | undefined },
): string {
  const rows = bases.map(({ key, repoRoot, image, diskSizeBytes, diskBytes, lastUsedAt }) => [
    key.slice(0, 12),
    repoRoot,
    image,
    formatSize(diskSizeBytes),
    formatSize(diskBytes),
    formatAge(lastUsedAt, nowMs),
  ]);
  return renderTable([['KEY', 'REPOSITORY', 'IMAGE', 'DISK', 'ON DISK', 'USED'], ...rows], width);
}
