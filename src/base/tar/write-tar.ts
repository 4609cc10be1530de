import { invariant } from '../errors.ts';
import {
  BLOCK_BYTES,
  checksumOf,
  FIELD,
  paddingOf,
  SPARSE_KEY,
  type TarEntry,
  TYPE_OF_KIND,
} from './header.ts';

/** Largest number that twelve bytes of octal digits hold. */
const MAX_OCTAL = 8 ** 11 - 1;

const NOTHING = Buffer.alloc(0);

/** The end of an archive. */
export const TAR_END = Buffer.alloc(2 * BLOCK_BYTES);

/**
 * The header of an entry, preceded by an extended one when its fields are too small. The content follows it,
 * then {@link tarPadding}. Owned by root.
 */
export function tarHeader(entry: TarEntry): Buffer {
  const records: [string, Buffer][] = [];
  const isNameLong = entry.name.length > FIELD.name[1];
  const isLinkLong = entry.linkName.length > FIELD.linkName[1];
  const seconds = Math.floor(entry.mtimeMs / 1000);
  if (isNameLong) records.push(['path', entry.name]);
  if (entry.isSparse) records.push([SPARSE_KEY, Buffer.from('1')]);
  if (isLinkLong) records.push(['linkpath', entry.linkName]);
  if (entry.sizeBytes > MAX_OCTAL) records.push(['size', Buffer.from(String(entry.sizeBytes))]);
  if (seconds * 1000 !== entry.mtimeMs || seconds < 0 || seconds > MAX_OCTAL) {
    records.push(['mtime', Buffer.from((entry.mtimeMs / 1000).toFixed(6))]);
  }
  const own = plainHeader(TYPE_OF_KIND[entry.kind], {
    name: isNameLong ? Buffer.from('long') : entry.name,
    linkName: isLinkLong ? NOTHING : entry.linkName,
    mode: entry.mode,
    size: Math.min(entry.sizeBytes, MAX_OCTAL),
    mtime: Math.min(Math.max(seconds, 0), MAX_OCTAL),
  });
  if (records.length === 0) return own;
  const text = Buffer.concat(records.map(([key, value]) => paxRecord(key, value)));
  const pax = { name: Buffer.from('PaxHeader'), linkName: NOTHING, mode: 0o644, size: text.length, mtime: 0 };
  return Buffer.concat([plainHeader('x', pax), text, tarPadding(text.length), own]);
}

/** The padding after a content of that size. */
export function tarPadding(sizeBytes: number): Buffer {
  return Buffer.alloc(paddingOf(sizeBytes));
}

function plainHeader(
  type: string,
  fields: { name: Buffer; linkName: Buffer; mode: number; size: number; mtime: number },
): Buffer {
  const header = Buffer.alloc(BLOCK_BYTES);
  const octal = ([at, length]: readonly [number, number], value: number): void => {
    header.write(value.toString(8).padStart(length - 1, '0'), at, length - 1, 'latin1');
  };
  fields.name.copy(header, FIELD.name[0]);
  octal(FIELD.mode, fields.mode);
  octal(FIELD.uid, 0);
  octal(FIELD.gid, 0);
  octal(FIELD.size, fields.size);
  octal(FIELD.mtime, fields.mtime);
  header.write(type, FIELD.type[0], 'latin1');
  fields.linkName.copy(header, FIELD.linkName[0]);
  header.write('ustar\x0000', FIELD.magic[0], 'latin1');
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, FIELD.checksum[0], 'latin1');
  return header;
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = 1 + key.length + 1 + value.length + 1;
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length += 1;
  invariant(rest + String(length).length === length, 'a PAX record knows its length');
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from('\n')]);
}
