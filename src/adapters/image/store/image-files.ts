import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, readlink, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { neverAborts } from '../../../base/abort.ts';
import { isErrno } from '../../../base/errors.ts';
import { syncFile } from '../../../base/files/atomic-file.ts';
import { isThere, readdirIfThere } from '../../../base/files/if-there.ts';
import { checkRecordedFiles } from '../../../base/files/recorded-files.ts';
import { exec } from '../../../base/process/exec.ts';
import { toolEnv, type Variables } from '../../../base/process/programs.ts';
import { inRootNamespace, NAMESPACE_GRACE_MS } from '../../../base/process/root-namespace.ts';
import type { StoredImage } from '../../../core/ports/images/stored-image.ts';
import { idOfLink, imageLayout, linkNameOf, nameOfLink } from './layout.ts';
import { type ImageManifest, imageDamaged, parseImageManifest } from './manifest-schema.ts';

/**
 * Reads the image in `dir` and compares its files with their recorded sizes; `undefined` when there is none.
 *
 * @throws {AppError} IMAGE_DAMAGED, with `label` in the message.
 */
export async function readImage(dir: string, label: string): Promise<StoredImage | undefined> {
  const layout = imageLayout(dir);
  let text: string;
  try {
    text = await readFile(layout.manifest, 'utf8');
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    if (await isThere(dir)) throw imageDamaged(label, `"${layout.manifest}" is missing`, error);
    return undefined;
  }
  const manifest = parseImageManifest(text, label);
  const { problem, diskBytes } = await checkRecordedFiles(dir, manifest.files);
  const wrong = problem ?? (await fileProblem(manifest.rootfs));
  if (wrong) throw imageDamaged(label, wrong);
  const { name, id, arch, distro, kernelName, createdAt } = manifest;
  const rootfsPath = manifest.rootfs?.path ?? layout.rootfs;
  const { size } = await stat(rootfsPath);
  return {
    name,
    id,
    arch,
    ...(distro === undefined ? {} : { distro }),
    ...(kernelName === undefined ? {} : { kernelName }),
    config: manifest.config ?? {},
    provenance: {
      origin: manifest.origin ?? { kind: 'recipe', recipe: name },
      ...(manifest.manifestDigest === undefined ? {} : { manifestDigest: manifest.manifestDigest }),
      blobs: manifest.blobs ?? [],
    },
    isUnmanaged: manifest.rootfs !== undefined,
    rootfsPath,
    sizeBytes: size,
    diskBytes,
    createdAt,
  };
}

/** What has happened to the user's file since it was registered; VMs would not notice, and break. */
async function fileProblem(rootfs: ImageManifest['rootfs']): Promise<string | undefined> {
  if (!rootfs) return undefined;
  const { path, sizeBytes, modifiedMs } = rootfs;
  try {
    const found = await stat(path);
    if (found.size === sizeBytes && found.mtimeMs === modifiedMs) return undefined;
    return `"${path}" has changed since it was registered`;
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'ENOTDIR')) throw error;
    return `"${path}" is missing`;
  }
}

/** The image that a name in the store refers to. */
export type NamedImage = { name: string; id: string };

/** The id that `name` refers to; `undefined` when it has no link, or a link of an unknown form. */
export async function resolveName(imagesDir: string, name: string): Promise<string | undefined> {
  // The name may come from the user; a path in it would leave the store.
  const linkName = linkNameOf(name);
  if (linkName === undefined) return undefined;
  try {
    return idOfLink(await readlink(join(imagesDir, linkName)));
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'EINVAL')) return undefined;
    throw error;
  }
}

/** All names in the store, sorted. */
export async function listNames(imagesDir: string): Promise<NamedImage[]> {
  const named: NamedImage[] = [];
  for (const file of (await readdirIfThere(imagesDir)).sort()) {
    const name = nameOfLink(file);
    const id = name === undefined ? undefined : await resolveName(imagesDir, name);
    if (name !== undefined && id !== undefined) named.push({ name, id });
  }
  return named;
}

/**
 * Deletes a tree whose files may belong to ids that only root of a namespace has. Idempotent; must not be
 * cancelled.
 */
export async function removeTree(dir: string, { uid, env }: { uid: number; env: Variables }): Promise<void> {
  try {
    await rm(dir, { recursive: true, force: true });
  } catch (error) {
    if (uid === 0 || !isErrno(error, 'EACCES', 'EPERM', 'ENOTEMPTY')) throw error;
    const argv = inRootNamespace(['rm', '-rf', '--one-file-system', '--', dir], { uid });
    await exec(argv, { env: toolEnv(env), signal: neverAborts(), graceMs: NAMESPACE_GRACE_MS });
  }
}

/** `sha256:...` of a file's content, which is on disk when this returns. */
export async function hashDurably(path: string, signal: AbortSignal): Promise<string> {
  const hash = await hashFile(path, signal);
  await syncFile(path);
  return hash;
}

/** `sha256:...` of a file's content. */
export async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash, { signal });
  return `sha256:${hash.digest('hex')}`;
}
