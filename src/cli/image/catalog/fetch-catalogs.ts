import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { AppError, isAppError, isErrno, messageOf } from '../../../base/errors.ts';
import type { CatalogTable } from '../../../config/catalogs.ts';
import type { CommandContext } from '../../context/context.ts';
import { downloadWhole } from '../../update/download.ts';
import { releaseKeys } from '../../update/installation.ts';
import { requireSigned, type Trust, trustOf } from '../../update/signatures.ts';
import { type OfferedImage, parseCatalog } from './catalog.ts';

const MAX_CATALOG_BYTES = 4 * 2 ** 20;
const MAX_SIGNATURES_BYTES = 4096;
const MAX_KEY_FILE_BYTES = 64 * 1024;

/**
 * Downloads the catalogs of the config file, and checks who signed them. The images of an earlier catalog
 * come first.
 *
 * @throws {AppError} IMAGE_CATALOG_*; one that cannot be used makes all of this fail.
 */
export async function fetchCatalogs(context: CommandContext): Promise<OfferedImage[]> {
  const offered: OfferedImage[] = [];
  for (const table of (await context.settings()).catalogs) {
    context.progress.step('image', `catalog ${table.url}`);
    offered.push(...(await fetchCatalog(table, context)));
  }
  return offered;
}

async function fetchCatalog(table: CatalogTable, context: CommandContext): Promise<OfferedImage[]> {
  const { url } = table;
  const trust = await trustFor(table, context);
  try {
    const options = { signal: context.signal, env: context.io.env };
    const content = await downloadWhole(url, { ...options, maxBytes: MAX_CATALOG_BYTES });
    const signed = await downloadWhole(`${url}.sig`, { ...options, maxBytes: MAX_SIGNATURES_BYTES });
    requireSigned(content, { name: `the catalog ${url}`, signatures: signed.toString('latin1'), trust });
    return parseCatalog(content.toString('utf8'), { url, nowMs: Date.now() });
  } catch (error) {
    throw catalogError(error, url);
  }
}

/** Errors of downloads and signatures are about updates elsewhere. */
export function catalogError(error: unknown, url: string): unknown {
  const codes: Readonly<Record<string, string>> = {
    UPDATE_DOWNLOAD_FAILED: 'IMAGE_CATALOG_UNREACHABLE',
    UPDATE_NOT_TRUSTED: 'IMAGE_CATALOG_NOT_TRUSTED',
    UPDATE_KEY_INVALID: 'IMAGE_CATALOG_KEY_INVALID',
  };
  if (!isAppError(error)) return error;
  const code = codes[error.code];
  if (code === undefined) return error;
  return new AppError(code, error.message, {
    hint: 'nothing was changed; an image of a registry is pulled by its whole reference',
    details: { url },
    cause: error.cause,
  });
}

async function trustFor({ url, key }: CatalogTable, context: CommandContext): Promise<Trust> {
  if (key === undefined) {
    const own = releaseKeys(context.io.ownArgv.at(-1) ?? '');
    if (own) return trustOf(own.keys, { threshold: own.threshold });
    throw new AppError(
      'IMAGE_CATALOG_KEY_INVALID',
      `Cannot trust the catalog ${url}: there is no key for it`,
      {
        hint: 'this is no installed release: name a file with the public key in the config file, as "key"',
        details: { url },
      },
    );
  }
  const path = key.startsWith('~/') ? join(context.io.env['HOME'] ?? '/', key.slice(2)) : key;
  try {
    return trustOf([await readKeys(path, context)]);
  } catch (error) {
    if (isAppError(error)) throw catalogError(error, url);
    if (!isErrno(error, 'ENOENT', 'EACCES', 'EISDIR', 'ENOTDIR')) throw error;
    throw new AppError('IMAGE_CATALOG_KEY_INVALID', `Cannot read the key "${path}": ${messageOf(error)}`, {
      hint: 'correct "key" of the catalog in the config file',
      details: { path },
    });
  }
}

async function readKeys(path: string, { signal }: Abortable): Promise<string> {
  const text = await readFile(path, { encoding: 'utf8', signal });
  return text.slice(0, MAX_KEY_FILE_BYTES);
}
