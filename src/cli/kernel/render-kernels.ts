import { formatSize } from '../../base/text/size.ts';
import type { AvailableKernel, Kernel } from '../../protocol/api/kernel.ts';
import { formatAge } from '../render/format.ts';
import { renderTable } from '../render/table.ts';

/** Returns kernels as a table. */
export function kernelTable(
  kernels: readonly Kernel[],
  { nowMs, width }: { nowMs: number; width: number | undefined },
): string {
  const rows = kernels.map((kernel) => [
    kernel.name,
    kernel.release,
    kernel.arch,
    formatSize(kernel.diskBytes),
    formatAge(kernel.createdAt, nowMs),
  ]);
  return renderTable([['NAME', 'RELEASE', 'ARCH', 'ON DISK', 'CREATED'], ...rows], width);
}

/** Returns kernels that can be pulled as a table. */
export function availableTable(
  kernels: readonly AvailableKernel[],
  { width }: { width: number | undefined },
): string {
  const rows = kernels.map(({ name, release, arch, downloadBytes, isPulled }) => [
    name,
    release,
    arch,
    formatSize(downloadBytes),
    isPulled ? 'pulled' : 'available',
  ]);
  return renderTable([['NAME', 'RELEASE', 'ARCH', 'DOWNLOAD', 'STATE'], ...rows], width);
}
