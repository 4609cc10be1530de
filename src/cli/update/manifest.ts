import { AppError } from '../../base/errors.ts';
import { constant, list, object, optional, someText, textLike } from '../../base/json-schema/build.ts';
import { isRecord, problemsOf, problemText } from '../../base/json-schema/check.ts';
import type { ValueOf } from '../../base/json-schema/schema.ts';
import { VERSION_PATTERN } from './version-order.ts';

/*
 * The list of all releases, `manifest.json`, with its signatures in `manifest.json.sig`:
 *
 *     {
 *       "schema_version": 1,
 *       "latest_stable": "v0.2.0",
 *       "expires_at": "2027-01-02T03:04:05.000Z",
 *       "releases": [{
 *         "version": "v0.2.0",
 *         "tarball_url": "v0.2.0/banger-v0.2.0-linux-{arch}.tar.zst",
 *         "sha256sums_url": "v0.2.0/SHA256SUMS",
 *         "sha256sums_sig_url": "v0.2.0/SHA256SUMS.sig",
 *         "released_at": "2026-01-02T03:04:05.000Z"
 *       }]
 *     }
 *
 * URLs are relative to that of the manifest. Hashes are only in SHA256SUMS, which has signatures of its own.
 */

/** Stands for the host's architecture (`amd64`, `arm64`) in the URL of an archive. */
export const ARCH_PLACE = '{arch}';

const version = textLike(VERSION_PATTERN, 'a version vX.Y.Z');

const listedRelease = object({
  version,
  tarball_url: someText(),
  sha256sums_url: someText(),
  sha256sums_sig_url: someText(),
  released_at: someText(),
});

const manifest = object({
  schema_version: constant(1),
  latest_stable: version,
  expires_at: optional(someText()),
  releases: list(listedRelease),
});

/** One release of the manifest. */
export type ListedRelease = ValueOf<typeof listedRelease>;
/** The list of all releases. */
export type Manifest = ValueOf<typeof manifest>;

/**
 * Reads a manifest whose signatures were verified.
 *
 * @throws {AppError} UPDATE_MANIFEST_INVALID; UPDATE_MANIFEST_EXPIRED: someone may be holding back newer
 * ones.
 */
export function parseManifest(text: string, { nowMs }: { nowMs: number }): Manifest {
  const value = jsonOf(text);
  const schema = isRecord(value) ? value['schema_version'] : undefined;
  if (typeof schema === 'number' && schema !== 1) {
    throw invalid(`it has schema ${schema}, and this version of banger knows 1`);
  }
  const [problem] = problemsOf(manifest, value, { max: 1 });
  if (problem) throw invalid(problemText(problem));
  const found = value as Manifest;
  requireFresh(found.expires_at, nowMs);
  return found;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid('it is not JSON');
  }
}

function requireFresh(expiresAt: string | undefined, nowMs: number): void {
  if (expiresAt === undefined) return;
  const endMs = Date.parse(expiresAt);
  if (Number.isNaN(endMs)) throw invalid('expires_at: must be a time');
  if (endMs > nowMs) return;
  throw new AppError(
    'UPDATE_MANIFEST_EXPIRED',
    `Cannot use the list of releases: it expired at ${new Date(endMs).toISOString()}`,
    {
      hint: 'check the clock of this host; if it is right, the server has an old list: try again later',
      details: { expiresAt },
    },
  );
}

/**
 * The release to install: `wanted`, or the latest.
 *
 * @throws {AppError} UPDATE_RELEASE_NOT_FOUND
 */
export function releaseIn(
  { latest_stable: latest, releases }: Manifest,
  wanted: string | undefined,
): ListedRelease {
  const name = wanted ?? latest;
  const found = releases.find((release) => release.version === name);
  if (found) return found;
  throw new AppError('UPDATE_RELEASE_NOT_FOUND', `Cannot update to ${name}: release not found`, {
    hint: `the latest is ${latest}`,
    details: { version: name, latest },
  });
}

function invalid(problem: string): AppError {
  return new AppError('UPDATE_MANIFEST_INVALID', `Cannot use the list of releases: ${problem}`, {
    hint: 'nothing was changed; when banger is old, install the newest release with its install.sh',
  });
}
