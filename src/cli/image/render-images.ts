import { formatSize } from '../../base/text/size.ts';
import { plural } from '../../base/text/words.ts';
import type { Image } from '../../protocol/api/image.ts';
import type { ImageDiskUsage } from '../../protocol/api/image-space.ts';
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

/** Returns what images take on disk as a table, with what else there is below it. */
export function diskUsageText(usage: ImageDiskUsage, width: number | undefined): string {
  const { images, unnamed, blobs, kernels, initrds, reclaimableBytes, totalBytes } = usage;
  const rows = images.map(({ name, uniqueBytes, sharedBytes }) => [
    name,
    formatSize(uniqueBytes),
    formatSize(sharedBytes),
    formatSize(uniqueBytes + sharedBytes),
  ]);
  return [
    renderTable([['NAME', 'UNIQUE', 'SHARED', 'SIZE'], ...rows], width),
    `downloads: ${plural(blobs.count, 'blob')}, ${formatSize(blobs.bytes)}`,
    `without a name: ${plural(unnamed.count, 'image')}, ${formatSize(unnamed.bytes)}`,
    ...(kernels ? [`kernels: ${plural(kernels.count, 'kernel')}, ${formatSize(kernels.bytes)}`] : []),
    ...(initrds
      ? [`what guests start from: ${plural(initrds.count, 'initrd')}, ${formatSize(initrds.bytes)}`]
      : []),
    `in all: ${formatSize(totalBytes)}; banger image prune would free ${formatSize(reclaimableBytes)}`,
  ].join('\n');
}
