import { AppError } from '../../base/errors.ts';

/**
 * Returns the folder in the guest that was given for `flag`: absolute, and without `..`.
 *
 * @throws {AppError} USAGE_OPTION_VALUE
 */
export function guestFolder(path: string, flag: string): string {
  if (path.startsWith('/') && !path.split('/').includes('..') && !path.includes('\0')) return path;
  throw new AppError(
    'USAGE_OPTION_VALUE',
    `Cannot use ${JSON.stringify(path)} for ${flag}: it is not an absolute path`,
    { hint: `for example ${flag} /root/repo`, details: { field: flag.slice(2), value: path } },
  );
}
