import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdDecompress } from 'node:zlib';
import { AppError, isAppError, isErrno, messageOf } from '../../../base/errors.ts';
import { lock } from '../../../base/files/file-lock.ts';
import { formatSize } from '../../../base/text/size.ts';
import type { Image } from '../../../protocol/api/image.ts';
import { platformOf } from '../../../protocol/image/platform.ts';
import type { BangerClient } from '../../../sdk/client.ts';
import type { CommandContext } from '../../context/context.ts';
import { openDownload } from '../../update/download.ts';
import type { OfferedImage } from './catalog.ts';
import { catalogError } from './fetch-catalogs.ts';

/** Label of progress steps. */
const LABEL = 'image pull';

/** log2 of the largest window that zstd may use. */
const MAX_WINDOW_LOG = 27;

/** What the command line says about the new image. */
export interface BundleChoice {
  name: string;
  kernel?: string;
  isForced: boolean;
}

/**
 * Makes an image of a bundle. Returns the image that is here already when it was made of the same bundle.
 * After a failure or an abort there is no new image, and no file of the bundle.
 *
 * @throws {AppError} IMAGE_CATALOG_UNREACHABLE, IMAGE_CHECKSUM_MISMATCH, IMAGE_ARCHIVE_BAD; IMAGE_EXISTS when
 * the name belongs to an image that is of no catalog.
 */
export async function pullBundle(
  offered: OfferedImage,
  { name, kernel, isForced }: BundleChoice,
  { client, context }: { client: BangerClient; context: CommandContext },
): Promise<Image> {
  const { bundlesDir } = context.paths();
  const { signal } = context;
  const { arch, tarball_sha256: sha256 } = offered;
  const path = join(bundlesDir, `${offered.name}-${arch}-${sha256}.tar`);
  const platform = platformOf(arch);
  const current = await imageOrNone(client, { name, arch }, context);
  const isOfCatalog = current?.origin?.kind === 'archive' && current.origin.from.startsWith(`${bundlesDir}/`);
  if (current && !isForced && current.origin?.from === path) return current;
  await mkdir(bundlesDir, { recursive: true, mode: 0o700 });
  // One at a time, so that what a killed pull has left can be removed.
  using _held = await lock(join(bundlesDir, 'lock'), {
    signal,
    onWait: () => context.progress.step(LABEL, 'another pull is running'),
  });
  await clear(bundlesDir);
  const staging = await mkdtemp(join(bundlesDir, 'new-'));
  try {
    const archive = join(staging, 'archive.tar');
    await downloadBundle(offered, { archive, context });
    await rename(archive, path);
    const request = {
      ...({ path, format: 'oci-archive', name, platform } as const),
      ...(kernel === undefined ? {} : { kernel }),
      // A newer bundle takes the name over, and so does what the user forces.
      ...(isForced || isOfCatalog ? { force: true } : {}),
    };
    return await context.follow(client.importImage(request, { signal }), LABEL);
  } finally {
    await clear(bundlesDir);
  }
}

/** Removes what pulls have left; the caller holds the lock. */
async function clear(bundlesDir: string): Promise<void> {
  for (const name of await readdir(bundlesDir)) {
    if (name !== 'lock') await rm(join(bundlesDir, name), { recursive: true, force: true });
  }
}

/** Downloads and unpacks at once; what the hash does not fit is removed by the caller, unused. */
async function downloadBundle(
  { url, size, unpacked_size: unpackedSize, tarball_sha256: sha256, name }: OfferedImage,
  { archive, context }: { archive: string; context: CommandContext },
): Promise<void> {
  const { signal, progress } = context;
  const hash = createHash('sha256');
  let count = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      count += chunk.length;
      progress.step(LABEL, `${formatSize(count)} of ${formatSize(size)}`);
      done(undefined, chunk);
    },
  });
  let unpacked = 0;
  const bounded = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      unpacked += chunk.length;
      done(
        unpacked > unpackedSize ? wrongBundle(name, 'it unpacks to more than the catalog says') : undefined,
        chunk,
      );
    },
  });
  const plain = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG } });
  try {
    const { bytes } = await openDownload(url, { signal, env: context.io.env, maxBytes: size });
    const target = createWriteStream(archive, { flags: 'wx', mode: 0o600 });
    await pipeline(Readable.from(bytes), counted, plain, bounded, target, { signal });
  } catch (error) {
    signal.throwIfAborted();
    if (isAppError(error)) throw catalogError(error, url);
    if (!isErrno(error, 'ENOSPC', 'EDQUOT')) throw wrongBundle(name, messageOf(error), error);
    throw new AppError('HOST_NO_SPACE', `Cannot unpack the bundle of "${name}": there is no space for it`, {
      hint: `free ${formatSize(unpackedSize)} where banger has its cache`,
      cause: error,
    });
  }
  if (hash.digest('hex') !== sha256) throw wrongBundle(name, 'its hash is not that of the catalog');
  if (unpacked !== unpackedSize) throw wrongBundle(name, 'it unpacks to less than the catalog says');
}

async function imageOrNone(
  client: BangerClient,
  { name, arch }: { name: string; arch: OfferedImage['arch'] },
  { signal }: CommandContext,
): Promise<Image | undefined> {
  const images = await client.listImages({ signal });
  return images.find(
    (image) => image.arch === arch && (image.name === name || image.name === `${name}+${arch}`),
  );
}

function wrongBundle(name: string, why: string, cause?: unknown): AppError {
  return new AppError('IMAGE_CHECKSUM_MISMATCH', `Cannot use the bundle of "${name}": ${why}`, {
    hint: 'nothing was changed; try again, and tell the makers of the catalog if it stays so',
    details: { image: name },
    cause,
  });
}
