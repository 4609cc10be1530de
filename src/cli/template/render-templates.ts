import { formatSize } from '../../base/text/size.ts';
import type { Template } from '../../protocol/api/template.ts';
import { formatAge } from '../render/format.ts';
import { renderTable } from '../render/table.ts';

/** Digits of a key in a table. */
const SHORT_KEY_LENGTH = 12;

/** Returns warm templates as a table. */
export function templateTable(
  templates: readonly Template[],
  { nowMs, width }: { nowMs: number; width: number | undefined },
): string {
  const rows = templates.map(({ key, image, shape, vmm, diskBytes, lastUsedAt }) => [
    key.slice(0, SHORT_KEY_LENGTH),
    image,
    String(shape.vcpuCount),
    `${shape.memoryMib} MiB`,
    formatSize(shape.diskSizeBytes),
    vmm,
    formatSize(diskBytes),
    formatAge(lastUsedAt, nowMs),
  ]);
  return renderTable([['KEY', 'IMAGE', 'VCPU', 'MEM', 'DISK', 'VMM', 'ON DISK', 'USED'], ...rows], width);
}
