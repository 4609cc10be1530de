import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { Abortable } from '../../src/base/abort.ts';
import { isErrno } from '../../src/base/errors.ts';
import { exec } from '../../src/base/process/exec.ts';
import { readTar } from '../../src/base/tar/read-tar.ts';

/** A package of npm that a release takes files from. */
export interface NpmPackage {
  name: string;
  version: string;
  /** its archive's hash, as `package-lock.json` has it (Subresource Integrity, sha512 only) */
  integrity: string;
}

/** What the lock file of the checkout at `root` says of a package. */
export async function lockedPackage(root: string, name: string): Promise<NpmPackage> {
  const lock = JSON.parse(await readFile(join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version?: string; integrity?: string }>;
  };
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (!version || !integrity?.startsWith('sha512-')) {
    throw new Error(`package-lock.json has no version and sha512 of ${name}`);
  }
  return { name, version, integrity };
}

/**
 * The files of a package whose paths `wanted` accepts, by path. Downloads its archive with npm into
 * `cacheDir`, unless a whole one is there; one with another hash is never used.
 */
export async function npmFiles(
  pkg: NpmPackage,
  { cacheDir, wanted, signal }: Abortable & { cacheDir: string; wanted: (path: string) => boolean },
): Promise<Map<string, Buffer>> {
  const archive = await cachedArchive(pkg, { cacheDir, signal });
  const files = new Map<string, Buffer>();
  for await (const { entry, content } of readTar(Readable.from([archive]).pipe(createGunzip()))) {
    const path = entry.name.toString('utf8').replace(/^package\//, '');
    if (entry.kind !== 'file' || !wanted(path)) continue;
    const chunks: Buffer[] = [];
    for await (const chunk of content) chunks.push(chunk);
    files.set(path, Buffer.concat(chunks));
  }
  return files;
}

async function cachedArchive(
  pkg: NpmPackage,
  { cacheDir, signal }: Abortable & { cacheDir: string },
): Promise<Buffer> {
  const path = join(cacheDir, `${pkg.name.replace('/', '-')}-${pkg.version}.tgz`);
  const there = await readFile(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (there && hasIntegrity(there, pkg)) return there;
  await mkdir(cacheDir, { recursive: true });
  const folder = await mkdtemp(join(cacheDir, 'download-'));
  try {
    await exec(
      ['npm', 'pack', '--loglevel=error', '--pack-destination', folder, `${pkg.name}@${pkg.version}`],
      {
        signal,
        cwd: folder,
      },
    );
    const [name] = await readdir(folder);
    if (name === undefined) throw new Error(`npm pack made no archive of ${pkg.name}`);
    const archive = await readFile(join(folder, name));
    if (!hasIntegrity(archive, pkg)) {
      throw new Error(
        `the archive of ${pkg.name} ${pkg.version} does not have the hash of package-lock.json`,
      );
    }
    await rename(join(folder, name), path);
    return archive;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function hasIntegrity(archive: Buffer, { integrity }: NpmPackage): boolean {
  return `sha512-${createHash('sha512').update(archive).digest('base64')}` === integrity;
}
