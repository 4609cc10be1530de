import { AppError, printable } from '../base/errors.ts';

/** An entry `[[catalog]]` of the config file: a list of images that are offered, and who signs it. */
export interface CatalogTable {
  /** of the list; its signatures are at the same URL with `.sig` */
  url: string;
  /** file with public keys in PEM; absent: the keys of the installed release */
  key?: string;
}

const ENTRY_KEYS: readonly string[] = ['url', 'key'] satisfies (keyof CatalogTable)[];

/** Each is downloaded for `image list --available`, and for a pull by a plain name. */
const MAX_CATALOGS = 8;

/**
 * Checks the value of the key `catalog`.
 *
 * @throws {AppError} CONFIG_INVALID with every problem, each naming its entry and field.
 */
export function readCatalogTables(value: unknown, field: string): CatalogTable[] {
  if (!Array.isArray(value)) throw new AppError('CONFIG_INVALID', `"${field}" must be [[${field}]] tables`);
  const problems = value.flatMap((entry: unknown, index) => problemsOf(entry, `${field}[${index}]`));
  if (value.length > MAX_CATALOGS) problems.push(`"${field}" has more than ${MAX_CATALOGS} tables`);
  if (problems.length > 0) throw new AppError('CONFIG_INVALID', problems.join('; '));
  return value as CatalogTable[];
}

function problemsOf(entry: unknown, name: string): string[] {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry) || entry instanceof Date) {
    return [`"${name}" must be a table`];
  }
  const { url, key } = entry as Partial<Record<keyof CatalogTable, unknown>>;
  const unknown = Object.keys(entry).filter((one) => !ENTRY_KEYS.includes(one));
  return [
    ...unknown.map((one) => `"${name}.${printable(one)}" is not a known key`),
    ...(isUrl(url)
      ? []
      : [`"${name}.url" must be an https:// URL, an http:// URL of this host, or a file://`]),
    ...(key === undefined || (typeof key === 'string' && /^(\/|~\/)/.test(key))
      ? []
      : [`"${name}.key" must be an absolute path, or one that begins with ~/`]),
  ];
}

function isUrl(value: unknown): boolean {
  const url = typeof value === 'string' ? URL.parse(value) : null;
  if (!url || url.username || url.password || url.hash) return false;
  if (url.protocol === 'http:') return ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  return url.protocol === 'https:' || url.protocol === 'file:';
}
