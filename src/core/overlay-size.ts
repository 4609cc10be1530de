import { AppError } from '../base/errors.ts';

/*
 * The guest's root is one device-mapper device over two drives, made by the agent
 * (agent/internal/boot/layout.go):
 *
 *   device          0                image              image + tail
 *                   +----------------+------------------+
 *                   | snapshot       | linear           |
 *                   +----------------+------------------+
 *   overlay drive   [0, store)       [store, store + tail)
 *
 * The store must be able to hold every block of the image: when it runs out, the kernel marks it invalid and
 * every read of the root is an I/O error. Its format is the kernel's (drivers/md/dm-snap-persistent.c) with
 * chunks of 4 KiB: one header chunk, then areas of one metadata chunk and the 256 chunks that it maps, and
 * the kernel clears the next area's metadata when one is full. N chunks need 1 + N + floor(N / 256) + 1
 * chunks. The store has twice the metadata and 4 MiB more, rounded up to 1 MiB.
 */
const SECTOR_BYTES = 512;
const CHUNK_BYTES = 4096;
const STORE_SLACK_SECTORS = 8192;
const STORE_ALIGN_SECTORS = 2048;
const MAX_BYTES = 2 ** 44;

/** How an overlay drive is divided, all in `bytes`. */
export interface OverlaySize {
  /** of the snapshot store, at the start of the drive */
  storeBytes: number;
  /** of the free space on top of the image, after the store; `freeBytes` rounded up to 4 KiB */
  tailBytes: number;
  /** that the overlay drive must have */
  overlayBytes: number;
  /** that the guest's root device has */
  rootBytes: number;
}

/**
 * The size of the overlay drive for an image of `imageBytes` whose root has `freeBytes` more. The guest
 * computes the same from the size of its root drive and `banger.overlay_free`; both sides are tested against
 * `test/fixtures/overlay-size.json`.
 *
 * @throws {AppError} IMAGE_SIZE_UNSUPPORTED when the image is not a whole number of 4 KiB blocks up to 16
 * TiB; SIZE_INVALID when the free space is not a whole number of bytes up to 16 TiB.
 */
export function overlaySize({
  imageBytes,
  freeBytes,
}: {
  imageBytes: number;
  freeBytes: number;
}): OverlaySize {
  if (!isUpTo(imageBytes, MAX_BYTES) || imageBytes === 0 || imageBytes % CHUNK_BYTES !== 0) {
    throw new AppError(
      'IMAGE_SIZE_UNSUPPORTED',
      `Cannot use a root file system of ${imageBytes} bytes: it is not a whole number of 4 KiB blocks up to 16 TiB`,
      { hint: 'make the file system with blocks of 4 KiB (mkfs.ext4 -b 4096)', details: { imageBytes } },
    );
  }
  if (!isUpTo(freeBytes, MAX_BYTES)) {
    throw new AppError(
      'SIZE_INVALID',
      `Cannot offer ${freeBytes} free bytes on the root file system: the limit is 16 TiB`,
      {
        details: { freeBytes },
      },
    );
  }
  const image = imageBytes / SECTOR_BYTES;
  const store = roundUp(image + Math.ceil(image / 128) + STORE_SLACK_SECTORS, STORE_ALIGN_SECTORS);
  const storeBytes = store * SECTOR_BYTES;
  const tailBytes = roundUp(freeBytes, CHUNK_BYTES);
  return { storeBytes, tailBytes, overlayBytes: storeBytes + tailBytes, rootBytes: imageBytes + tailBytes };
}

function isUpTo(value: number, limit: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= limit;
}

function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
