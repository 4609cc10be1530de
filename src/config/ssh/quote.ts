import { AppError } from '../../base/errors.ts';

/** A path that ssh_config(5) reads unchanged without quotes. */
const PLAIN = /^[A-Za-z0-9_@+:,./-]+$/;

/**
 * Quotes a path for a keyword of ssh_config(5) that takes a file, where a blank ends it and a percent sign
 * begins a token.
 */
export function quotedPath(path: string): string {
  return quoted(path.replaceAll('%', '%%'));
}

/**
 * The line of ssh_config(5) that includes the file `path`.
 *
 * @throws {AppError} SSH_CONFIG_UNUSABLE when `path` has a line break, which such a file cannot express.
 */
export function includeLine(path: string): string {
  requireOneLine(path);
  if (PLAIN.test(path)) return `Include ${path}`;
  // The value is a pattern of glob(7).
  return `Include ${quoted(path.replace(/[\\*?[\]]/g, '\\$&'))}`;
}

/**
 * All lines that include the file `path`, {@link includeLine} first; the other is what people write
 * themselves.
 *
 * @throws {AppError} as {@link includeLine}.
 */
export function includeLines(path: string, { HOME: home }: { readonly HOME?: string | undefined }): string[] {
  const isBelow = home && path.startsWith(`${home}/`);
  return [includeLine(path), ...(isBelow ? [`Include ~${path.slice(home.length)}`] : [])];
}

/**
 * Checks that `text` fits on a line of ssh_config(5), which has no way to write a line break.
 *
 * @throws {AppError} SSH_CONFIG_UNUSABLE
 */
export function requireOneLine(text: string): void {
  if (!/[\0\r\n]/.test(text)) return;
  throw new AppError(
    'SSH_CONFIG_UNUSABLE',
    `Cannot name ${JSON.stringify(text)} in an ssh configuration: it has a line break`,
    { details: { path: text } },
  );
}

function quoted(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
