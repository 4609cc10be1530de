import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';
import type { TarKind } from '../../src/base/tar/header.ts';
import { TAR_END, tarHeader, tarPadding } from '../../src/base/tar/write-tar.ts';
import { contentOf, type PackageEntry } from './entries.ts';

/** How hard an archive is compressed: 19 for a release, less where only its content matters. */
export interface ZstdLevel {
  level: number;
}

/**
 * A tar archive of the entries and of the folders above them, sorted by path, owned by root, all with one
 * time. The same entries give the same bytes. `root` is the path of the top folder, itself an entry: `./`
 * for Debian packages, otherwise none.
 */
export function tarArchive(
  entries: readonly PackageEntry[],
  { mtimeMs, root = '' }: { mtimeMs: number; root?: './' | '' },
): Buffer {
  const folders = new Set(entries.flatMap(({ path }) => foldersAbove(path)));
  const all = [
    ...[...folders].map((path) => ({ path: `${path}/`, kind: 'directory' as const, mode: 0o755 })),
    ...entries.map((entry) => ({
      path: entry.path,
      kind: 'target' in entry ? ('symlink' as const) : ('file' as const),
      mode: 'target' in entry ? 0o777 : entry.isProgram ? 0o755 : 0o644,
      entry,
    })),
  ].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const header = (kind: TarKind, path: string, mode: number, entry?: PackageEntry): Buffer =>
    tarHeader({
      kind,
      name: Buffer.from(path),
      linkName: Buffer.from(entry && 'target' in entry ? entry.target : ''),
      mode,
      sizeBytes: entry ? contentOf(entry).length : 0,
      mtimeMs,
    });
  const parts = all.flatMap((item) => {
    const entry = 'entry' in item ? item.entry : undefined;
    const content = entry ? contentOf(entry) : Buffer.alloc(0);
    return [header(item.kind, `${root}${item.path}`, item.mode, entry), content, tarPadding(content.length)];
  });
  const top = root === '' ? [] : [header('directory', root, 0o755)];
  return Buffer.concat([...top, ...parts, TAR_END]);
}

/** Compresses with zstd (RFC 8878). */
export async function zstd(content: Buffer, { level }: ZstdLevel): Promise<Buffer> {
  return await promisify(zstdCompress)(content, {
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_checksumFlag]: 1,
    },
    pledgedSrcSize: content.length,
  });
}

/** Compresses with gzip (RFC 1952); its header has no time and no name. */
export async function gzipped(content: Buffer): Promise<Buffer> {
  return await promisify(gzip)(content, { level: 9 });
}

function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
