import { AppError } from '../../base/errors.ts';

/** `HASH  NAME` of sha256sum, and `SHA256 (NAME) = HASH` of BSD. */
const GNU = /^([0-9a-fA-F]{64}) [ *](\S.*)$/;
const BSD = /^SHA256 \((\S.*)\) = ([0-9a-fA-F]{64})$/;

/**
 * The SHA-256 of each file, lower-case, as `SHA256SUMS` has them. Empty lines and those that begin with `#`
 * mean nothing.
 *
 * @throws {AppError} UPDATE_SUMS_INVALID for any other line, and for a file with two hashes.
 */
export function parseSums(text: string): ReadonlyMap<string, string> {
  const sums = new Map<string, string>();
  for (const [index, line] of text.split('\n').entries()) {
    const plain = line.replace(/\r$/, '');
    if (plain.trim() === '' || plain.startsWith('#')) continue;
    const gnu = GNU.exec(plain);
    const bsd = gnu ? undefined : BSD.exec(plain);
    const [name, hash] = gnu ? [gnu[2], gnu[1]] : [bsd?.[1], bsd?.[2]];
    if (name === undefined || hash === undefined) throw invalid(`line ${index + 1} has no known form`);
    if (sums.has(name)) throw invalid(`line ${index + 1} has a second hash of the same file`);
    sums.set(name, hash.toLowerCase());
  }
  return sums;
}

/** The hash of one file. @throws {AppError} UPDATE_SUMS_INVALID when it is not listed. */
export function sumOf(sums: ReadonlyMap<string, string>, name: string): string {
  const found = sums.get(name);
  if (found !== undefined) return found;
  throw invalid(`it does not name ${name}`);
}

function invalid(problem: string): AppError {
  return new AppError('UPDATE_SUMS_INVALID', `Cannot use SHA256SUMS of the release: ${problem}`, {
    hint: 'nothing was changed; try again later',
  });
}
