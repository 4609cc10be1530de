import type { KernelUsage } from '../../../core/ports/images/kernels.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';
import type { ImageDiskUsage } from '../../../protocol/api/image-space.ts';

/** What is in a store. */
export interface StoreContent {
  /** every image once, whether it has a name or not */
  images: readonly StoredImage[];
  /** names in their order, and the ids that they mean */
  names: readonly { name: string; id: string }[];
  /** ids of images that VMs hold */
  held: ReadonlySet<string>;
  /** bytes on disk of the blobs, by digest */
  blobs: ReadonlyMap<string, number>;
}

/** Says what each image takes on disk, and who needs it too. */
export function diskUsageOf(
  { images, names, held, blobs }: StoreContent,
  { reclaimableBytes, kernels, initrds }: KernelUsage & { reclaimableBytes: number },
): ImageDiskUsage {
  const byId = new Map(images.map((image) => [image.id, image]));
  const namesOf = countOf(names.map(({ id }) => id));
  const usersOf = countOf(images.flatMap(({ provenance }) => [...new Set(provenance.blobs)]));
  const blobBytes = sumOf([...blobs.values()]);
  const used = names.map(({ name, id }) => {
    const image = byId.get(id);
    if (!image) return { name, uniqueBytes: 0, sharedBytes: 0 };
    const own = [...new Set(image.provenance.blobs)].map((digest) => ({
      bytes: blobs.get(digest) ?? 0,
      isShared: (usersOf.get(digest) ?? 0) > 1,
    }));
    const total = image.diskBytes + sumOf(own.map(({ bytes }) => bytes));
    const staysWithoutName = (namesOf.get(id) ?? 0) > 1 || held.has(id);
    const unique = image.diskBytes + sumOf(own.map(({ bytes, isShared }) => (isShared ? 0 : bytes)));
    const uniqueBytes = staysWithoutName ? 0 : unique;
    return { name, uniqueBytes, sharedBytes: total - uniqueBytes };
  });
  const unnamed = images.filter(({ id }) => !namesOf.has(id));
  return {
    images: used,
    unnamed: { count: unnamed.length, bytes: sumOf(unnamed.map(({ diskBytes }) => diskBytes)) },
    blobs: { count: blobs.size, bytes: blobBytes },
    kernels,
    initrds,
    reclaimableBytes,
    totalBytes: sumOf(images.map(({ diskBytes }) => diskBytes)) + blobBytes + kernels.bytes + initrds.bytes,
  };
}

function countOf(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
