import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';

/*
 * Base images of work disks, a cache:
 *
 *     <basesDir>/
 *       <key>.<number>/      put there by a rename; the time of its manifest is when it was used last
 *         manifest.json      {@link BaseManifest}
 *         disk.ext4          raw, sparse, of its final size
 *         sent/              what the next delta needs (sent/kept-tree.ts); sent-<digest>/ for submodules
 *       .staging/            what is being made or removed (base/files/staging.ts)
 *
 * A base that is made again gets the next number. Only the highest number of a key counts; a lower one stays
 * until no start uses it, so that no start finds the disk of one base with the tree of another.
 */

/** A base's folder: its key, and its number among those of that key. */
export interface BaseName {
  name: string;
  key: string;
  number: number;
}

const NAME = /^([0-9a-f]{64})\.([1-9][0-9]{0,14})$/;

/** The name of the folder of a base. */
export function baseName(key: string, number: number): BaseName {
  return { name: `${key}.${number}`, key, number };
}

/** Parses the name of a folder; returns `undefined` when it is not that of a base. */
export function parseBaseName(name: string): BaseName | undefined {
  const [, key, number] = NAME.exec(name) ?? [];
  return key && number ? baseName(key, Number(number)) : undefined;
}

/** The folders that count: of each key the one with the highest number. */
export function newestOf(names: readonly BaseName[]): BaseName[] {
  const newest = new Map<string, BaseName>();
  for (const each of names) {
    if (each.number > (newest.get(each.key)?.number ?? 0)) newest.set(each.key, each);
  }
  return [...newest.values()];
}

/** Paths of a base's parts. */
export interface BaseFiles {
  dir: string;
  manifest: string;
  disk: string;
  sent: string;
}

/** The paths of the parts of the base in `dir`. */
export function baseFiles(dir: string): BaseFiles {
  return { dir, manifest: join(dir, 'manifest.json'), disk: join(dir, 'disk.ext4'), sent: join(dir, 'sent') };
}

const text = z.string().min(1);
const objectName = z.string().regex(/^[0-9a-f]{40,64}$/);

const repository = z.object({
  root: text,
  /** device and inode of its top folder: a later repository at the same path is another one */
  place: z.string().regex(/^\d+:\d+$/),
});

/** The repository that a base is of. */
export type BaseRepository = z.infer<typeof repository>;

const baseManifest = z.object({
  format: z.literal(1),
  key: z.string().regex(/^[0-9a-f]{64}$/),
  repository,
  imageName: text,
  diskSizeBytes: z.int().positive(),
  sentCommit: objectName,
  headCommit: objectName.exactOptional(),
  createdAt: z.iso.datetime(),
  /** the boot of the host in which it was made; absent once it is durable */
  bootId: text.exactOptional(),
});

/** `manifest.json` of a base; its presence makes a folder a base. */
export type BaseManifest = z.infer<typeof baseManifest>;

/** Parses any text; returns `undefined` when it is not a manifest of this version. */
export function parseBaseManifest(content: string): BaseManifest | undefined {
  try {
    return baseManifest.safeParse(JSON.parse(content)).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Part of the keys; increase it when the same request makes another image. */
const RECIPE = 3;

/** Key of a base: a digest of all that decides what is in it, apart from the state of the working tree. */
export function baseKey(parts: {
  repository: BaseRepository;
  folder: string;
  isWithUntracked: boolean;
  isWhole: boolean;
  hasSubmodules: boolean;
  imageId: string;
  diskSizeBytes: number;
}): string {
  const { repository: of, folder, isWithUntracked, isWhole, hasSubmodules, imageId, diskSizeBytes } = parts;
  const choice = [isWithUntracked, isWhole, hasSubmodules];
  const all = [RECIPE, of.root, of.place, folder, ...choice, imageId, diskSizeBytes];
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}
