import { formatSize } from '../../base/text/size.ts';
import type { Image } from '../../protocol/api/image.ts';
import { formatAge } from '../render/format.ts';
import { renderTable } from '../render/table.ts';

/** Options of the tables. */
interface TableOptions {
  nowMs: number;
  width: number | undefined;
}

/** Returns images as a table. */
export function imageTable(images: readonly Image[], { nowMs, width }: TableOptions): string {
  const rows = images.map((image) => [
    image.name,
    image.arch,
    image.kernel,
    formatSize(image.sizeBytes),
    formatSize(image.diskBytes),
    String(image.usedBy.length),
    formatAge(image.createdAt, nowMs),
  ]);
  return renderTable([['NAME', 'ARCH', 'KERNEL', 'SIZE', 'ON DISK', 'VMS', 'CREATED'], ...rows], width);
}
