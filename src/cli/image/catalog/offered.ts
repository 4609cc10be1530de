import { formatSize } from '../../../base/text/size.ts';
import type { Image } from '../../../protocol/api/image.ts';
import type { Platform } from '../../../protocol/image/platform.ts';
import { archOfPlatform } from '../../../protocol/image/platform.ts';
import { renderTable } from '../../render/table.ts';
import type { OfferedImage } from './catalog.ts';

/** An image of a catalog, as `image list --available --json` prints it. Fields are added, never changed. */
export interface AvailableImage {
  name: string;
  arch: OfferedImage['arch'];
  distro: string;
  sizeBytes: number;
  isHere: boolean;
  description: string;
}

/** The architecture that a command line means. */
export function archFor(platform: Platform | undefined): OfferedImage['arch'] {
  if (platform !== undefined) return archOfPlatform(platform);
  return process.arch === 'arm64' ? 'arm64' : 'amd64';
}

/** The image of a name for an architecture; that of the first catalog that has it. */
export function findOffered(
  offered: readonly OfferedImage[],
  { name, arch }: Pick<OfferedImage, 'name' | 'arch'>,
): OfferedImage | undefined {
  return offered.find((one) => one.name === name && one.arch === arch);
}

/** What catalogs offer, and whether it is here: an image that was made of the same bundle. */
export function availableImages(
  offered: readonly OfferedImage[],
  images: readonly Image[],
  { bundlesDir }: { bundlesDir: string },
): AvailableImage[] {
  const sources = new Set(images.map(({ origin }) => origin?.from));
  return offered.map(({ name, arch, distro = '', size, description = '', tarball_sha256: sha256 }) => {
    const isHere = sources.has(`${bundlesDir}/${name}-${arch}-${sha256}.tar`);
    return { name, arch, distro, sizeBytes: size, isHere, description };
  });
}

/** The same as a table. */
export function availableTable(images: readonly AvailableImage[], width: number | undefined): string {
  const rows = images.map(({ name, arch, distro, sizeBytes, isHere, description }) => {
    return [name, arch, distro, formatSize(sizeBytes), isHere ? 'pulled' : 'available', description];
  });
  return renderTable([['NAME', 'ARCH', 'DISTRO', 'SIZE', 'STATE', 'DESCRIPTION'], ...rows], width);
}
