import { tarDamaged } from './block-reader.ts';
import { SPARSE_KEY } from './header.ts';

/** The fields of an entry that its extended header overrides. */
export interface PaxRecords {
  path?: Buffer;
  linkpath?: Buffer;
  size?: number;
  mtimeMs?: number;
  isSparse?: true;
}

const SPACE = 0x20;
const EQUALS = 0x3d;
const LINE_FEED = 0x0a;

/**
 * Parses the records `LENGTH KEY=VALUE\n` of an extended header. Ignores keys that have no effect here.
 *
 * @throws {AppError} TAR_DAMAGED when they are incomplete, or contain the map of a sparse file: a few bytes
 * of such an archive can stand for more than any disk holds.
 */
export function parsePax(text: Buffer): PaxRecords {
  const records: PaxRecords = {};
  for (let at = 0; at < text.length; ) {
    const space = text.indexOf(SPACE, at);
    const digits = space < 0 ? '' : text.toString('latin1', at, space);
    const end = at + Number(digits);
    const equals = text.indexOf(EQUALS, space);
    const isWhole =
      /^[1-9][0-9]{0,6}$/.test(digits) &&
      end <= text.length &&
      equals > space &&
      equals < end &&
      text[end - 1] === LINE_FEED;
    if (!isWhole) throw tarDamaged('an extended header is incomplete');
    addRecord(records, text.toString('latin1', space + 1, equals), text.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

function addRecord(records: PaxRecords, key: string, value: Buffer): void {
  switch (key) {
    case 'path':
      records.path = Buffer.from(value);
      return;
    case 'linkpath':
      records.linkpath = Buffer.from(value);
      return;
    case 'size':
      records.size = numberOf(value, /^[0-9]{1,16}$/);
      if (!Number.isSafeInteger(records.size)) throw tarDamaged('a file has an impossible size');
      return;
    case 'mtime':
      // Microseconds: the precision of a double for a time.
      records.mtimeMs = Math.round(numberOf(value, /^-?[0-9]{1,12}(\.[0-9]{1,12})?$/) * 1e6) / 1e3;
      return;
    case SPARSE_KEY:
      if (value.toString('latin1') === '1') records.isSparse = true;
      return;
    default:
      if (key.startsWith('GNU.sparse.')) throw tarDamaged('it has a sparse file with a map of its holes');
  }
}

function numberOf(value: Buffer, pattern: RegExp): number {
  const text = value.toString('latin1');
  if (!pattern.test(text)) throw tarDamaged('a number in an extended header is invalid');
  return Number(text);
}
