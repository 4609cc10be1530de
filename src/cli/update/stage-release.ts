import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Abortable } from '../../base/abort.ts';
import { AppError } from '../../base/errors.ts';
import { discardTree } from '../../base/files/discard.ts';
import { reportNoSpace, requireSpace } from '../../base/files/no-space.ts';
import type { Environment } from '../../config/settings.ts';
import { parseSums, sumOf } from './checksums.ts';
import { downloadWhole, openDownload } from './download.ts';
import { ARCH_PLACE, type ListedRelease, type Manifest, parseManifest } from './manifest.ts';
import { ReleaseProgram } from './release-program.ts';
import { requireSigned, type Trust } from './signatures.ts';
import { unpackRelease } from './unpack.ts';

/** Most that is downloaded of each file, in `bytes`. */
const MANIFEST_BYTES = 2 ** 20;
const SUMS_BYTES = 16 * 2 ** 10;
const SIGNATURE_BYTES = 2 ** 10;
const ARCHIVE_BYTES = 256 * 2 ** 20;

/** What a release unpacks to, for each byte of its archive. */
const UNPACKED_SHARE = 5;

/** Where releases are downloaded from, and whom they must be signed by. */
export interface TrustedSource {
  manifestUrl: string;
  trust: Trust;
  env: Environment;
}

/**
 * Downloads the list of releases and its signatures, and checks these before it reads anything of it.
 *
 * @throws {AppError} UPDATE_DOWNLOAD_FAILED, UPDATE_NOT_TRUSTED, UPDATE_MANIFEST_*
 */
export async function fetchManifest(source: TrustedSource, { signal }: Abortable): Promise<Manifest> {
  const { manifestUrl: url } = source;
  const text = await signedFile({ name: 'the list of releases', url, sigUrl: `${url}.sig` }, source, {
    maxBytes: MANIFEST_BYTES,
    signal,
  });
  return parseManifest(text, { nowMs: Date.now() });
}

/** What {@link stageRelease} works with. */
export interface StageOptions extends Abortable {
  source: TrustedSource;
  arch: string;
  /** created; discarded first when it is there */
  folder: string;
  step: (text: string) => void;
}

/**
 * Downloads a release into `folder`, checks signature, hash and contents, and that its program runs here and
 * is of that version. Returns the program. The caller discards the folder, also after a failure.
 *
 * @throws {AppError} UPDATE_DOWNLOAD_FAILED, UPDATE_NOT_TRUSTED, UPDATE_SUMS_INVALID, UPDATE_ARCHIVE_INVALID,
 * UPDATE_PROGRAM_FAILED, HOST_NO_SPACE
 */
export async function stageRelease(release: ListedRelease, options: StageOptions): Promise<ReleaseProgram> {
  const { folder } = options;
  await discardTree(folder);
  await mkdir(folder, { mode: 0o700 });
  const request = { what: `the release ${release.version}`, dir: folder };
  return await reportNoSpace(() => stage(release, options), request);
}

async function stage(
  { version, ...urls }: ListedRelease,
  { source, arch, folder, step, signal }: StageOptions,
): Promise<ReleaseProgram> {
  const at = (url: string): string => absolute(url, source.manifestUrl);
  const top = `banger-${version}-linux-${arch}`;
  const name = `${top}.tar.zst`;
  step('checking signatures');
  const sums = await signedFile(
    { name: `the release ${version}`, url: at(urls.sha256sums_url), sigUrl: at(urls.sha256sums_sig_url) },
    source,
    { maxBytes: SUMS_BYTES, signal },
  );
  const expected = sumOf(parseSums(sums), name);
  step('downloading');
  const path = join(folder, name);
  const url = at(urls.tarball_url.replaceAll(ARCH_PLACE, arch));
  const hash = await downloadTo(path, { url, env: source.env, signal });
  if (hash !== expected) {
    throw new AppError(
      'UPDATE_NOT_TRUSTED',
      `Cannot trust ${name}: it does not have the checksum in SHA256SUMS`,
      { hint: 'nothing was changed; try again, it may be damaged', details: { name } },
    );
  }
  step('unpacking');
  const root = join(folder, 'release');
  await mkdir(root);
  await chmod(root, 0o755);
  await unpackRelease(createReadStream(path), { folder: root, top, signal });
  step('checking the new program');
  const program = new ReleaseProgram(root, { env: source.env });
  const line = await program.versionLine({ signal });
  if (line.startsWith(`banger ${version} (`)) return program;
  throw new AppError('UPDATE_PROGRAM_FAILED', `Cannot use the release ${version}: its program is "${line}"`, {
    hint: 'nothing was changed; tell the makers of banger',
  });
}

async function signedFile(
  { name, url, sigUrl }: { name: string; url: string; sigUrl: string },
  { trust, env }: TrustedSource,
  { maxBytes, signal }: Abortable & { maxBytes: number },
): Promise<string> {
  const content = await downloadWhole(url, { maxBytes, env, signal });
  const signatures = await downloadWhole(sigUrl, { maxBytes: SIGNATURE_BYTES, env, signal });
  requireSigned(content, { name, signatures: signatures.toString('latin1'), trust });
  return content.toString('utf8');
}

/** Downloads the archive, and returns its SHA-256. */
async function downloadTo(
  path: string,
  { url, env, signal }: Abortable & { url: string; env: Environment },
): Promise<string> {
  const { bytes, sizeBytes } = await openDownload(url, { maxBytes: ARCHIVE_BYTES, env, signal });
  if (sizeBytes !== undefined) {
    const neededBytes = sizeBytes * (1 + UNPACKED_SHARE);
    await requireSpace({ what: 'the new release', dir: join(path, '..'), neededBytes });
  }
  const hash = createHash('sha256');
  const counted = async function* (): AsyncGenerator<Buffer, void, undefined> {
    for await (const chunk of bytes) {
      hash.update(chunk);
      yield chunk;
    }
  };
  await pipeline(counted, createWriteStream(path, { flags: 'wx', mode: 0o600 }), { signal });
  return hash.digest('hex');
}

function absolute(url: string, base: string): string {
  return URL.parse(url, base)?.href ?? url;
}
