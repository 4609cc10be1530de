import { AppError } from '../../../base/errors.ts';
import {
  constant,
  integer,
  list,
  object,
  oneOf,
  optional,
  someText,
  textLike,
} from '../../../base/json-schema/build.ts';
import { problemsOf, problemText } from '../../../base/json-schema/check.ts';
import type { ValueOf } from '../../../base/json-schema/schema.ts';
import { ARCHS } from '../../../protocol/image/platform.ts';

/*
 * A catalog, `catalog.json`, with its signatures in `catalog.json.sig`, as those of the list of releases:
 *
 *     {
 *       "version": 1,
 *       "expires_at": "2027-01-02T03:04:05.000Z",
 *       "entries": [{
 *         "name": "tools", "arch": "amd64", "distro": "debian", "description": "...",
 *         "tarball_url": "tools-amd64-0123456789ab.tar.zst",
 *         "tarball_sha256": "0123456789ab...",
 *         "size": 123456, "unpacked_size": 345678
 *       }]
 *     }
 *
 * URLs are relative to that of the catalog. A bundle is an OCI archive, compressed with zstd; its name has
 * the beginning of its hash. The signature of the catalog covers the hashes of its bundles.
 */

/** Most that a bundle has, packed or unpacked, in `bytes`. */
const MAX_BUNDLE_BYTES = 64 * 2 ** 30;

const entry = object({
  name: textLike('^[a-z0-9][a-z0-9._-]{0,63}$', 'a plain name'),
  arch: oneOf(ARCHS),
  distro: optional(textLike('^[A-Za-z0-9._-]{0,64}$', '')),
  description: optional(textLike('^[^\\0]{0,500}$', '')),
  tarball_url: someText(),
  tarball_sha256: textLike('^[0-9a-f]{64}$', 'of the bundle'),
  size: integer('bytes of the bundle', { minimum: 1, maximum: MAX_BUNDLE_BYTES }),
  unpacked_size: integer('bytes of the archive in it', { minimum: 1, maximum: MAX_BUNDLE_BYTES }),
});

const catalog = object({ version: constant(1), expires_at: optional(someText()), entries: list(entry) });

/** One image of a catalog. */
export type CatalogEntry = ValueOf<typeof entry>;

/** The list itself. */
type Catalog = ValueOf<typeof catalog>;

/** An image that is offered, and where. */
export interface OfferedImage extends CatalogEntry {
  /** whole URL of the bundle */
  url: string;
}

/** Most entries of a catalog. */
const MAX_ENTRIES = 1_000;

/**
 * Reads a catalog whose signatures were verified.
 *
 * @throws {AppError} IMAGE_CATALOG_INVALID; IMAGE_CATALOG_EXPIRED: someone may be holding back a newer one.
 */
export function parseCatalog(text: string, { url, nowMs }: { url: string; nowMs: number }): OfferedImage[] {
  const { entries, expires_at: expiresAt } = parseCatalogFile(text, url);
  if (expiresAt !== undefined && !(Date.parse(expiresAt) > nowMs)) {
    throw new AppError('IMAGE_CATALOG_EXPIRED', `Cannot use the catalog ${url}: it has expired`, {
      hint: 'check the clock of this host; otherwise its makers must sign it again',
      details: { url, expiresAt },
    });
  }
  return entries.map((one) => {
    const bundle = URL.parse(one.tarball_url, url);
    if (!bundle) throw invalid(url, `"${one.tarball_url}" is no URL`);
    return { ...one, url: bundle.href };
  });
}

/**
 * Reads a catalog and trusts nothing in it; `label` names it in errors.
 *
 * @throws {AppError} IMAGE_CATALOG_INVALID
 */
export function parseCatalogFile(text: string, label: string): Catalog {
  const value = jsonOf(text, label);
  const [problem] = problemsOf(catalog, value, { max: 1 });
  if (problem) throw invalid(label, problemText(problem));
  const found = value as Catalog;
  if (found.entries.length > MAX_ENTRIES) throw invalid(label, `it has more than ${MAX_ENTRIES} entries`);
  return found;
}

function jsonOf(text: string, url: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw invalid(url, 'it is not JSON', error);
  }
}

function invalid(url: string, why: string, cause?: unknown): AppError {
  return new AppError('IMAGE_CATALOG_INVALID', `Cannot use the catalog ${url}: ${why}`, {
    details: { url },
    cause,
  });
}
