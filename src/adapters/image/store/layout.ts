import { join } from 'node:path';
import { fullImageRef, PLAIN_IMAGE_NAME } from '../../../protocol/image/image-ref.ts';
import { splitImageName } from '../../../protocol/image/platform.ts';

/**
 * The image store. A name is a link to an image. Images are folders named by their id that never change, so a
 * VM whose image is rebuilt keeps the root file system that its overlay belongs to.
 *
 *     <imagesDir>/
 *       <name> -> .blobs/<hex>   a reference has "%" for each "/"
 *       .blobs/<hex>/
 *         manifest.json
 *         rootfs.ext4            absent when a file of the user is the root file system
 *         holders/<hash> -> folder of a VM; keeps the image while that folder exists
 *       .content/                blobs that images were made of (blob-store.ts)
 *       .staging/                images being made (base/files/staging.ts)
 *       .lock                    held while images are added or removed
 *       .build-<name>.lock       exists while the image of that name is made
 */
export interface ImageLayout {
  dir: string;
  manifest: string;
  rootfs: string;
  holders: string;
}

/** Paths of the files of the image in `dir`. */
export function imageLayout(dir: string): ImageLayout {
  return {
    dir,
    manifest: join(dir, MANIFEST_FILE),
    rootfs: join(dir, ROOTFS_FILE),
    holders: join(dir, 'holders'),
  };
}

const MANIFEST_FILE = 'manifest.json';
/** The file of an image whose size its manifest records. */
export const ROOTFS_FILE = 'rootfs.ext4';

/** Paths in the store besides those of images. */
export function storeLayout(imagesDir: string) {
  return {
    staging: join(imagesDir, '.staging'),
    blobs: join(imagesDir, '.blobs'),
    lock: join(imagesDir, '.lock'),
    buildLock: (name: string) => join(imagesDir, `.build-${linkNameOf(name) ?? ''}.lock`),
  };
}

/** Whether an entry of the store is the lock of an image that is being made. */
export function isBuildLock(entry: string): boolean {
  return entry.startsWith('.build-') && entry.endsWith('.lock');
}

/** Folder of the blobs that images are made of. */
export function contentDir(imagesDir: string): string {
  return join(imagesDir, '.content');
}

/**
 * File name of the link that an image's name is; `undefined` for a text that is neither a plain name nor a
 * reference in full form, either perhaps with an architecture. No such name leads out of the store.
 */
export function linkNameOf(name: string): string | undefined {
  const { base } = splitImageName(name);
  if (PLAIN_IMAGE_NAME.test(base)) return name;
  return fullImageRef(base) === base ? name.replaceAll('/', '%') : undefined;
}

/** The name whose link has this file name; `undefined` for other files of the store. */
export function nameOfLink(linkName: string): string | undefined {
  const name = linkName.replaceAll('%', '/');
  return linkNameOf(name) === linkName ? name : undefined;
}

/** Target of an image's link, relative to the store. */
export function blobLink(id: string): string {
  return join('.blobs', hexOf(id));
}

/** The id in a link's target; `undefined` when the target has another form. */
export function idOfLink(target: string): string | undefined {
  const match = /^\.blobs\/([0-9a-f]{64})$/.exec(target);
  return match ? `sha256:${match[1]}` : undefined;
}

/** `sha256:ab...` without its prefix. */
export function hexOf(id: string): string {
  return id.slice(id.indexOf(':') + 1);
}
