import { refused } from './copy-errors.ts';

const SLASH = 0x2f;

/** Returns the parts of an entry's name; none for the directory itself. @throws {AppError} COPY_REFUSED */
export function safeParts(name: Buffer): Buffer[] {
  const shown = JSON.stringify(name.toString());
  if (name[0] === SLASH) throw refused(`${shown} is an absolute path`);
  const parts: Buffer[] = [];
  for (let at = 0; at <= name.length; ) {
    const slash = name.indexOf(SLASH, at);
    const end = slash < 0 ? name.length : slash;
    const part = Buffer.from(name.subarray(at, end));
    const text = part.toString('latin1');
    if (text === '..') throw refused(`${shown} contains ".."`);
    if (text.includes('\0')) throw refused(`${shown} contains a NUL byte`);
    if (text !== '' && text !== '.') parts.push(part);
    at = end + 1;
  }
  return parts;
}
