import { mkdir, rename, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Abortable } from '../../base/abort.ts';
import { AppError, isAppError, isErrno } from '../../base/errors.ts';
import { syncFolder, writeFileAtomic } from '../../base/files/atomic-file.ts';
import { packExt4 } from '../../base/files/ext4-image.ts';
import { lock } from '../../base/files/file-lock.ts';
import { recordSizes } from '../../base/files/recorded-files.ts';
import { openStaging } from '../../base/files/staging.ts';
import type { Logger } from '../../base/log.ts';
import { toolEnv, type Variables } from '../../base/process/programs.ts';
import type { GuestArch, KernelPublisher } from '../../core/ports/images.ts';
import type { Task } from '../../protocol/events.ts';
import { type BuiltTree, buildDebian } from './build-debian.ts';
import { hashDurably, removeTree } from './image-files.ts';
import { blobLink, hexOf, imageLayout, ROOTFS_FILE, storeLayout } from './layout.ts';
import type { ImageManifest } from './manifest-schema.ts';
import { freeBytes, noSpace } from './preflight.ts';
import type { DebianRecipe } from './recipe.ts';

/** What a build needs. */
export interface ImageBuildHost {
  imagesDir: string;
  kernels: KernelPublisher;
  arch: GuestArch;
  uid: number;
  env: Variables;
  /** the program `banger-host` */
  hostTools: string;
  log: Logger;
}

/** Free space in an image; a VM's requested overlay size comes on top. */
const FREE_BYTES = 64 * 2 ** 20;
/** Enough for bursts. Every journal block that is used is copied into the VM's overlay. */
const JOURNAL_MIB = 32;
/** With less free space than this, a failed build is assumed to have run out of space. */
const FULL_BYTES = 64 * 2 ** 20;

/**
 * Builds a recipe, publishes the image under its name and returns the id. Everything is made in a staging
 * folder of the store. A failure or an abort leaves nothing; a staging folder of a killed process is
 * recognised by its lock.
 *
 * @throws {AppError} HOST_NO_SPACE, IMAGE_BUILD_FAILED, IMAGE_CHECKSUM_MISMATCH, KERNEL_MODULES_MISSING.
 */
export async function buildImage(
  recipe: DebianRecipe,
  host: ImageBuildHost,
  { report, signal }: Task,
): Promise<string> {
  const { imagesDir, arch, uid, env, hostTools, log } = host;
  const staging = { removeTree: (dir: string) => removeTree(dir, { uid, env }) };
  await using folder = await openStaging(storeLayout(imagesDir).staging, staging);
  try {
    const built = await buildDebian(recipe, {
      dir: folder.dir,
      arch,
      uid,
      env,
      hostTools,
      log,
      report,
      signal,
    });
    report({ event: 'progress', stage: 'pack' });
    const { dir, id } = await packImage(recipe, built, { host, stagingDir: folder.dir, signal });
    report({ event: 'progress', stage: 'publish' });
    using _held = await lock(storeLayout(imagesDir).lock, { signal });
    // The kernel first, so that no image is visible that cannot boot.
    await host.kernels.publish(built.kernel, { signal });
    await publish(imagesDir, { dir, id, name: recipe.name, stagingDir: folder.dir });
    return id;
  } catch (error) {
    signal.throwIfAborted();
    throw await explained(error, recipe.name, imagesDir);
  }
}

/** Creates the image's folder inside the staging folder. */
async function packImage(
  recipe: DebianRecipe,
  { treeDir, kernel }: BuiltTree,
  { host, stagingDir, signal }: Abortable & { host: ImageBuildHost; stagingDir: string },
): Promise<{ dir: string; id: string }> {
  const dir = join(stagingDir, 'ready');
  const layout = imageLayout(dir);
  await mkdir(layout.holders, { recursive: true, mode: 0o755 });
  const request = { treeDir, imagePath: layout.rootfs, label: 'root', uid: host.uid, env: toolEnv(host.env) };
  await packExt4({ ...request, freeBytes: FREE_BYTES, journalMib: JOURNAL_MIB }, { signal });
  const id = await hashDurably(layout.rootfs, signal);
  const manifest: ImageManifest = {
    format: 1,
    name: recipe.name,
    id,
    arch: host.arch,
    distro: `${recipe.distro}-${recipe.suite}`,
    kernelName: kernel.name,
    createdAt: new Date().toISOString(),
    files: await recordSizes(dir, [ROOTFS_FILE]),
  };
  await writeFileAtomic(layout.manifest, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 });
  return { dir, id };
}

/** Moves the image into the store and gives it its name; the caller holds the store's lock. */
async function publish(
  imagesDir: string,
  { dir, id, name, stagingDir }: { dir: string; id: string; name: string; stagingDir: string },
): Promise<void> {
  const { blobs } = storeLayout(imagesDir);
  await mkdir(blobs, { recursive: true, mode: 0o755 });
  await rename(dir, join(blobs, hexOf(id)));
  await syncFolder(blobs);
  const link = join(stagingDir, 'link');
  await symlink(blobLink(id), link);
  await rename(link, join(imagesDir, name));
  await syncFolder(imagesDir);
}

/** Explains a tool's failure to the user. A full disk has many symptoms, so this checks the disk itself. */
async function explained(error: unknown, name: string, imagesDir: string): Promise<unknown> {
  const dir = dirname(imagesDir);
  const free = await freeBytes(dir);
  if (isErrno(error, 'ENOSPC', 'EDQUOT') || free < FULL_BYTES)
    return noSpace(name, { dir, free, cause: error });
  if (!isAppError(error, 'EXEC_FAILED', 'EXEC_NOT_FOUND')) return error;
  return new AppError('IMAGE_BUILD_FAILED', `Cannot build image "${name}"`, {
    hint: 'check that this host can reach its Debian mirror and its npm registry, then try again; the log has details',
    details: { image: name },
    cause: error,
  });
}
