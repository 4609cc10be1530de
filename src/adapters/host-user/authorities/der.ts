/** One element of a DER encoding. */
export interface DerElement {
  tag: number;
  /** its content, without tag and length */
  content: Buffer;
  /** all of it */
  whole: Buffer;
}

/**
 * Splits `bytes` into the DER elements that they consist of (X.690). Returns `undefined` when they do not
 * consist of whole elements with lengths and tags of the usual sizes.
 */
export function derElements(bytes: Buffer): DerElement[] | undefined {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    const first = bytes[at + 1];
    // The tags of X.509 take one byte.
    if (first === undefined || (tag & 0x1f) === 0x1f) return undefined;
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    const begin = at + 2 + lengthBytes;
    if (first === 0x80 || lengthBytes > 4 || begin > bytes.length) return undefined;
    const length = lengthBytes === 0 ? first : bytes.readUIntBE(at + 2, lengthBytes);
    if (length > bytes.length - begin) return undefined;
    elements.push({
      tag,
      content: bytes.subarray(begin, begin + length),
      whole: bytes.subarray(at, begin + length),
    });
    at = begin + length;
  }
  return elements;
}

/** Encodes one element with a tag of one byte. */
export function derElement(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(length);
  const bytes = size.subarray(size.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([tag, 0x80 | bytes.length]), bytes, content]);
}
