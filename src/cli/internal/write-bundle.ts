import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createZstdCompress } from 'node:zlib';
import { isErrno } from '../../base/errors.ts';
import { writeFileAtomic } from '../../base/files/atomic-file.ts';
import { checkPlainImageName } from '../../protocol/image/image-ref.ts';
import { splitImageName } from '../../protocol/image/platform.ts';
import type { CommandContext } from '../context/context.ts';
import { type CatalogEntry, parseCatalogFile } from '../image/catalog/catalog.ts';

/** Hex digits of the hash in the name of a bundle. */
const NAME_DIGITS = 12;

/** What the command line says. */
export interface BundleRequest {
  name: string;
  rootfsTar?: string | undefined;
  out?: string | undefined;
  catalog?: string | undefined;
  distro?: string | undefined;
  description?: string | undefined;
}

/**
 * Makes a bundle of an image. A file of that name is replaced; after a failure there is none.
 *
 * @throws {AppError} what importing and exporting an image throw; IMAGE_CATALOG_INVALID.
 */
export async function writeBundle(
  { name, rootfsTar, out = '.', catalog, distro, description }: BundleRequest,
  context: CommandContext,
): Promise<{ path: string; entry: CatalogEntry }> {
  const { signal, io } = context;
  const client = await context.client();
  const plainName = checkPlainImageName(splitImageName(name).base);
  if (rootfsTar !== undefined) {
    const request = { path: resolve(io.cwd, rootfsTar), format: 'rootfs', name, force: true } as const;
    await context.follow(client.importImage(request, { signal }), 'make-bundle');
  }
  const image = await client.showImage(name, { signal });
  const folder = resolve(io.cwd, out);
  await mkdir(folder, { recursive: true });
  const staging = await mkdtemp(join(folder, '.bundle-'));
  try {
    const archive = join(staging, 'archive.tar');
    const work = client.exportImage(name, { path: archive }, { signal });
    await context.follow(work, 'make-bundle');
    const packed = join(staging, 'bundle');
    const { sha256, size, unpackedSize } = await compress(archive, packed, { signal });
    const path = join(folder, `${plainName}-${image.arch}-${sha256.slice(0, NAME_DIGITS)}.tar.zst`);
    await rename(packed, path);
    const usedDistro = distro ?? image.distro;
    const entry: CatalogEntry = {
      ...{ name: plainName, arch: image.arch },
      ...(usedDistro === '' ? {} : { distro: usedDistro }),
      ...(description === undefined ? {} : { description }),
      tarball_url: catalog === undefined ? basename(path) : relative(dirname(resolve(io.cwd, catalog)), path),
      ...{ tarball_sha256: sha256, size, unpacked_size: unpackedSize },
    };
    if (catalog !== undefined) await addToCatalog(resolve(io.cwd, catalog), entry);
    return { path, entry };
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function compress(
  from: string,
  to: string,
  { signal }: { signal: AbortSignal },
): Promise<{ sha256: string; size: number; unpackedSize: number }> {
  const hash = createHash('sha256');
  const { size: unpackedSize } = await stat(from);
  let size = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      size += chunk.length;
      done(undefined, chunk);
    },
  });
  const target = createWriteStream(to, { flags: 'wx', mode: 0o644 });
  await pipeline(createReadStream(from), createZstdCompress(), counted, target, { signal });
  return { sha256: hash.digest('hex'), size, unpackedSize };
}

async function addToCatalog(file: string, entry: CatalogEntry): Promise<void> {
  const before = parseCatalogFile(await textOrEmpty(file), file);
  const others = before.entries.filter(({ name, arch }) => name !== entry.name || arch !== entry.arch);
  const after = { ...before, entries: [...others, entry] };
  await writeFileAtomic(file, `${JSON.stringify(after, null, 2)}\n`, { mode: 0o644 });
}

async function textOrEmpty(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '{"version": 1, "entries": []}';
    throw error;
  }
}
