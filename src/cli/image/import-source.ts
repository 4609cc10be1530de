import { existsSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { AppError } from '../../base/errors.ts';
import { IMPORT_FORMATS, type ImportFormat } from '../../protocol/api/image.ts';

/** What to import. */
export interface ImportSource {
  format: ImportFormat;
  /** absolute */
  path: string;
  /** the image's name unless another is given */
  name: string;
}

/**
 * Parses a source: a path of this host, and what is there. A folder shows what it is.
 *
 * @throws {AppError} USAGE_OPTION_VALUE for a file without a word that says what it is.
 */
export function importSource(text: string, cwd: string): ImportSource {
  const format = IMPORT_FORMATS.find((one) => text.startsWith(`${one}:`));
  const path = resolve(cwd, format === undefined ? text : text.slice(format.length + 1));
  return { format: format ?? formatOfFolder(path, text), path, name: nameOfFile(path) };
}

/** The name of an image made of a file: that of the file, without the endings of archives and images. */
export function nameOfFile(path: string): string {
  const name = basename(path).toLowerCase();
  return name.replace(/\.(tar|tgz|ext4|img|raw)$/, '').replace(/\.tar\.(gz|zst|zstd)$/, '');
}

function formatOfFolder(path: string, text: string): ImportFormat {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    return existsSync(join(path, 'oci-layout')) ? 'oci' : 'dir';
  }
  throw new AppError('USAGE_OPTION_VALUE', `Cannot import "${text}": it does not say what it is`, {
    hint: `write rootfs:${text}, docker-archive:${text} or oci-archive:${text}; only folders need no word`,
    details: { field: 'source', value: text },
  });
}
