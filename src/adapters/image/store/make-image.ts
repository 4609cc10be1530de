import { createHash } from 'node:crypto';
import { mkdir, rename, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { invariant, isAppError } from '../../../base/errors.ts';
import { syncFolder, writeFileAtomic } from '../../../base/files/atomic-file.ts';
import { lock } from '../../../base/files/file-lock.ts';
import { recordSizes } from '../../../base/files/recorded-files.ts';
import { openStaging } from '../../../base/files/staging.ts';
import type { Variables } from '../../../base/process/programs.ts';
import type { GuestArch } from '../../../core/ports/images/guest-arch.ts';
import type { ImageOrigin } from '../../../core/ports/images/image-origin.ts';
import type { ImageContent, ImageSources, VmRoot } from '../../../core/ports/images/image-source.ts';
import type { KernelPublisher } from '../../../core/ports/images/kernels.ts';
import type { RootfsBuilders } from '../../../core/ports/images/rootfs-builder.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';
import type { Task } from '../../../protocol/events.ts';
import { PLAIN_IMAGE_NAME } from '../../../protocol/image/image-ref.ts';
import { splitImageName } from '../../../protocol/image/platform.ts';
import { explainFailure } from '../explain-failure.ts';
import { copySparse } from './copy-file.ts';
import { hashDurably, hashFile, readImage, removeTree } from './image-files.ts';
import { blobLink, hexOf, imageLayout, linkNameOf, ROOTFS_FILE, storeLayout } from './layout.ts';
import type { ImageManifest } from './manifest-schema.ts';

/** What making images needs. */
export interface ImageMaker {
  imagesDir: string;
  kernels: KernelPublisher;
  sources: ImageSources;
  rootfs: RootfsBuilders;
  arch: GuestArch;
  uid: number;
  env: Variables;
}

/** An image to make. */
export interface MakeRequest {
  name: string;
  origin: ImageOrigin;
  arch: GuestArch;
  /** see `NewImage` */
  archive?: string;
  /** instead of the kernel that the content brings */
  kernelName?: string;
  /** for an image of the kind `commit` */
  root?: VmRoot;
  /** copies the file of an image of the kind `file` into the store */
  isCopied?: boolean;
  /** the image that has the name, which stays when the content is the same; absent: make one in any case */
  current?: StoredImage;
}

/**
 * Makes an image and publishes it under its name. Everything is made in a staging folder of the store. A
 * failure or an abort leaves nothing but whole blobs; a staging folder of a killed process is recognised by
 * its lock.
 *
 * @throws {AppError} HOST_NO_SPACE, IMAGE_BUILD_FAILED, KERNEL_MODULES_MISSING; what source and builder
 * throw.
 */
export async function makeImage(request: MakeRequest, maker: ImageMaker, task: Task): Promise<void> {
  const { imagesDir, uid, env } = maker;
  const { name, current } = request;
  const { report, signal } = task;
  await using folder = await openContentStaging(imagesDir, { uid, env, signal });
  try {
    const workDir = join(folder.dir, 'work');
    await mkdir(workDir, { mode: 0o700 });
    const content = await fetchContent(request, maker, { ...task, workDir });
    if (current && isSame(current, content, request)) return;
    const ready = join(folder.dir, 'ready');
    await mkdir(imageLayout(ready).holders, { recursive: true, mode: 0o755 });
    report({ event: 'progress', stage: 'pack' });
    const manifest = await packImage(content, { request, maker, dir: ready, task });
    report({ event: 'progress', stage: 'publish' });
    using _held = await lock(storeLayout(imagesDir).lock, { signal });
    // The kernel first, so that no image is visible that cannot boot.
    if (content.kind === 'tree') await maker.kernels.publish(content.kernel, { signal });
    await publish(imagesDir, { dir: ready, id: manifest.id, name, stagingDir: folder.dir });
  } catch (error) {
    signal.throwIfAborted();
    throw await explainFailure(error, {
      imageName: name,
      dir: imagesDir,
      isFromPackages: request.origin.kind === 'recipe' || request.origin.kind === 'packages',
    });
  }
}

/**
 * Opens a folder for an image in the making, or on its way out. Blobs are removed under the store's lock, and
 * not while there is such a folder; so it appears under that lock too.
 */
export async function openContentStaging(
  imagesDir: string,
  { uid, env, signal }: { uid: number; env: Variables; signal: AbortSignal },
): ReturnType<typeof openStaging> {
  using _held = await lock(storeLayout(imagesDir).lock, { signal });
  return await openStaging(storeLayout(imagesDir).staging, {
    removeTree: (dir: string) => removeTree(dir, { uid, env }),
  });
}

async function fetchContent(
  { origin, name, arch, archive, root }: MakeRequest,
  { sources }: ImageMaker,
  task: Task & { workDir: string },
): Promise<ImageContent> {
  const options = { ...task, name, arch };
  switch (origin.kind) {
    case 'recipe':
      return await sources.recipe.fetch(origin, options);
    case 'registry':
      return await sources.registry.fetch(origin, options);
    case 'archive':
      return await sources.archive.fetch(origin, options);
    case 'commit':
      invariant(root !== undefined, 'a commit has the root of a VM');
      return await sources.commit.fetch(root, options);
    case 'file':
      return await sources.file.fetch(origin, options);
    case 'packages':
      return await sources.packages.fetch(origin, options);
    case 'dockerfile':
      invariant(archive !== undefined, 'what a Dockerfile makes comes as an archive');
      return await sources.archive.fetch({ kind: 'archive', format: 'oci-archive', path: archive }, options);
    default:
      return origin satisfies never;
  }
}

/** Trees and files have no digest before they are read; a new one is made of them each time. */
function isSame(current: StoredImage, content: ImageContent, { kernelName }: MakeRequest): boolean {
  return (
    content.kind === 'layers' &&
    current.provenance.manifestDigest === content.manifestDigest &&
    current.kernelName === kernelName
  );
}

/** Creates the image's folder `dir`, the manifest last. */
async function packImage(
  content: ImageContent,
  { request, maker, dir, task }: { request: MakeRequest; maker: ImageMaker; dir: string; task: Task },
): Promise<ImageManifest> {
  const layout = imageLayout(dir);
  const isOutside = content.kind === 'file' && request.isCopied !== true;
  const outside = isOutside ? await describeFile(content.path) : undefined;
  if (content.kind === 'file' && !isOutside) {
    await copySparse(content.path, layout.rootfs, { env: maker.env, signal: task.signal });
  }
  if (content.kind === 'tree') await maker.rootfs.tree.build(content, { ...task, rootfsPath: layout.rootfs });
  if (content.kind === 'layers') {
    await maker.rootfs.layers.build(content, { ...task, rootfsPath: layout.rootfs });
  }
  const rootfsHash = outside
    ? await hashFile(outside.path, task.signal)
    : await hashDurably(layout.rootfs, task.signal);
  const config = content.kind === 'layers' ? content.config : {};
  const kernelName = request.kernelName ?? (content.kind === 'tree' ? content.kernel.name : undefined);
  const manifest: ImageManifest = {
    format: 1,
    name: request.name,
    id: idOf(rootfsHash, content, { ...request, kernelName, isForeign: request.arch !== maker.arch }),
    arch: request.arch,
    ...(content.kind === 'tree' ? { distro: content.distro } : {}),
    ...(kernelName === undefined ? {} : { kernelName }),
    config,
    origin: request.origin,
    ...(content.kind === 'layers'
      ? { manifestDigest: content.manifestDigest, blobs: [...content.blobs] }
      : {}),
    createdAt: new Date().toISOString(),
    files: outside ? {} : await recordSizes(dir, [ROOTFS_FILE]),
    ...(outside ? { rootfs: outside } : {}),
  };
  await writeFileAtomic(layout.manifest, `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o644 });
  return manifest;
}

/**
 * The hash of all that decides what a VM is like: two images may have the same files and other programs to
 * start. References to the same content share one image.
 */
function idOf(
  rootfsHash: string,
  content: ImageContent,
  {
    name,
    origin,
    arch,
    kernelName,
    isForeign,
    isCopied,
  }: Pick<MakeRequest, 'name' | 'origin' | 'arch' | 'isCopied'> & {
    kernelName: string | undefined;
    isForeign: boolean;
  },
): string {
  if (content.kind === 'tree') return rootfsHash;
  const described = content.kind === 'layers' ? [content.manifestDigest, content.config] : [];
  const isPlain = PLAIN_IMAGE_NAME.test(splitImageName(name).base);
  const source = content.kind === 'layers' && !isPlain ? [] : [origin];
  const parts = JSON.stringify([
    rootfsHash,
    kernelName ?? null,
    ...described,
    ...source,
    ...(isForeign ? [arch] : []),
    ...(isCopied ? ['copied'] : []),
  ]);
  return `sha256:${createHash('sha256').update(parts).digest('hex')}`;
}

async function describeFile(path: string): Promise<NonNullable<ImageManifest['rootfs']>> {
  const { size, mtimeMs } = await stat(path);
  return { path, sizeBytes: size, modifiedMs: mtimeMs };
}

/** Moves the image into the store and gives it its name; the caller holds the store's lock. */
async function publish(
  imagesDir: string,
  { dir, id, name, stagingDir }: { dir: string; id: string; name: string; stagingDir: string },
): Promise<void> {
  const { blobs } = storeLayout(imagesDir);
  await mkdir(blobs, { recursive: true, mode: 0o755 });
  const target = join(blobs, hexOf(id));
  if (!(await isThere(target, { dir, old: join(stagingDir, 'old') }))) {
    await rename(dir, target);
    await syncFolder(blobs);
  }
  const link = join(stagingDir, 'link');
  await symlink(blobLink(id), link);
  const linkName = linkNameOf(name);
  invariant(linkName !== undefined, `"${name}" was checked`);
  await rename(link, join(imagesDir, linkName));
  await syncFolder(imagesDir);
}

/**
 * Whether the store has this image already. A damaged one makes way for the new one, which takes its holders.
 */
async function isThere(target: string, { dir, old }: { dir: string; old: string }): Promise<boolean> {
  try {
    if (await readImage(target, target)) return true;
  } catch (error) {
    if (!isAppError(error, 'IMAGE_DAMAGED')) throw error;
    await rename(target, old);
    await rename(imageLayout(dir).holders, join(dirname(dir), 'no-holders'));
    await rename(imageLayout(old).holders, imageLayout(dir).holders);
  }
  return false;
}
