import { truncate, writeFile } from 'node:fs/promises';
import type { Abortable } from '../abort.ts';
import { exec, LONG_WORK_DEADLINE_MS } from '../process/exec.ts';
import { inRootNamespace, NAMESPACE_GRACE_MS } from '../process/root-namespace.ts';

/** A tree of files for a file system image. */
export interface Ext4Request {
  /**
   * folder whose content becomes the root of the file system; owners are those seen inside {@link
   * inRootNamespace}
   */
  treeDir: string;
  /** file to create; must not exist */
  imagePath: string;
  /** volume label, at most 16 bytes */
  label: string;
  /** least free space in the file system */
  freeBytes: number;
  /** 0 for a file system that is only read */
  journalMib: number;
  uid: number;
  env: NodeJS.ProcessEnv;
}

/** One file of a tree, as `find -printf '%y %s %i\n'` lists it. */
export interface TreeEntry {
  type: string;
  sizeBytes: number;
  inode: string;
}

const BLOCK_BYTES = 4096;
const MIB = 2 ** 20;
/** mke2fs's own default: one inode of 256 bytes for each */
const BYTES_PER_INODE = 16 * 1024;
/** Longest symlink target that fits in the inode itself (ext4's `i_block`, with its NUL). */
const INLINE_SYMLINK_BYTES = 60;
/** Bitmaps, group descriptors, the blocks reserved for later growth, extent trees. */
const METADATA_SHARE = 0.03;
const METADATA_MIB = 24;

/**
 * Packs a tree into a sparse ext4 image that is little larger than its content. Inode tables count as zeroed,
 * so a kernel that mounts it has nothing to initialise. Overwrites nothing; after a failure, the caller
 * removes a partial file.
 *
 * @throws {AppError} EXEC_NOT_FOUND, EXEC_FAILED.
 */
export async function packExt4(request: Ext4Request, { signal }: Abortable): Promise<{ sizeBytes: number }> {
  const { treeDir, imagePath, uid, env } = request;
  const run = { signal, env, graceMs: NAMESPACE_GRACE_MS, deadlineMs: LONG_WORK_DEADLINE_MS };
  const list = ['find', treeDir, '-xdev', '-printf', '%y %s %i\\n'] as const;
  const { stdout } = await exec(inRootNamespace(list, { uid }), run);
  const entries = parseTree(stdout.toString());
  const sizeBytes = imageSize(entries, request);
  await writeFile(imagePath, '', { flag: 'wx', mode: 0o644 });
  await truncate(imagePath, sizeBytes);
  await exec(
    inRootNamespace(
      [
        ...(['mkfs.ext4', '-q', '-F', '-b', String(BLOCK_BYTES), '-I', '256', '-m', '0'] as const),
        ...['-i', String(BYTES_PER_INODE), '-L', request.label],
        ...(request.journalMib > 0 ? ['-J', `size=${request.journalMib}`] : ['-O', '^has_journal']),
        // Zeroing the tables costs nothing now, because the file is sparse. The guest's kernel would write
        // the zeros into each overlay.
        ...['-E', 'lazy_itable_init=0,lazy_journal_init=1', '-d', treeDir, imagePath],
      ],
      { uid },
    ),
    run,
  );
  return { sizeBytes };
}

/** Parses the output of `find -printf '%y %s %i\n'`. */
export function parseTree(text: string): TreeEntry[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const [type = '', size = '', inode = ''] = line.split(' ');
      return { type, sizeBytes: Number(size), inode };
    });
}

/**
 * Size of an image in bytes, a multiple of 1 MiB, that is certain to hold `entries` and leave `freeBytes`.
 */
export function imageSize(
  entries: readonly TreeEntry[],
  { freeBytes, journalMib }: Pick<Ext4Request, 'freeBytes' | 'journalMib'>,
): number {
  const seen = new Set<string>();
  let blocks = 0;
  for (const { type, sizeBytes, inode } of entries) {
    // Hard links share their blocks.
    if (type === 'f' && seen.has(inode)) continue;
    seen.add(inode);
    if (type === 'd') blocks += Math.max(1, Math.ceil(sizeBytes / BLOCK_BYTES));
    else if (type === 'f' || (type === 'l' && sizeBytes >= INLINE_SYMLINK_BYTES)) {
      blocks += Math.ceil(sizeBytes / BLOCK_BYTES);
    }
  }
  const inodeTableShare = 256 / BYTES_PER_INODE;
  const content = blocks * BLOCK_BYTES + freeBytes + (journalMib + METADATA_MIB) * MIB;
  const bySize = content / (1 - METADATA_SHARE - inodeTableShare);
  const byCount = seen.size * 1.1 * BYTES_PER_INODE;
  return Math.ceil(Math.max(bySize, byCount) / MIB) * MIB;
}
