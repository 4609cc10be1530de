/*
 * A tar archive (POSIX.1-2001, "pax Interchange Format"), in blocks of 512 bytes:
 *
 *     +----------------+-----------------------+----------------+-----+-------------+
 *     | header 1 block | content, padded       | header 1 block | ... | 2 zero      |
 *     |                | to whole blocks       |                |     | blocks: end |
 *     +----------------+-----------------------+----------------+-----+-------------+
 *
 * What does not fit into a header's fields (long names, times finer than seconds) is in an entry before it,
 * of type `x`.
 */

/** Size of a block. */
export const BLOCK_BYTES = 512;

/** The kind of an entry; others are not written, and are refused when read. */
export type TarKind = 'file' | 'directory' | 'symlink' | 'hard-link' | 'fifo';

/** One entry. Names are bytes. */
export interface TarEntry {
  kind: TarKind;
  name: Buffer;
  /** target of a symlink or hard link; empty for others */
  linkName: Buffer;
  /** permission bits */
  mode: number;
  sizeBytes: number;
  mtimeMs: number;
  /**
   * true for a file that occupies less space than its length; the archive contains its whole content, zeros
   * included
   */
  isSparse?: boolean;
}

/**
 * Key of the record that marks a sparse file. A map of its holes, as in other formats, would let a few bytes
 * of an archive stand for more than any disk holds.
 */
export const SPARSE_KEY = 'FILE.sparse';

/** Type flags of entries. */
export const TYPE_OF_KIND: Readonly<Record<TarKind, string>> = {
  file: '0',
  'hard-link': '1',
  symlink: '2',
  directory: '5',
  fifo: '6',
};

/** Offset and length of the fields of a header. */
export const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  linkName: [157, 100],
  magic: [257, 8],
  prefix: [345, 155],
} as const;

/** Bytes that pad a content to whole blocks. */
export function paddingOf(sizeBytes: number): number {
  return (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES;
}

/** The sum of a header's bytes, with its own field counted as spaces. */
export function checksumOf(header: Buffer): number {
  const [at, length] = FIELD.checksum;
  let sum = 32 * length;
  for (let i = 0; i < BLOCK_BYTES; i += 1) if (i < at || i >= at + length) sum += header[i] ?? 0;
  return sum;
}
