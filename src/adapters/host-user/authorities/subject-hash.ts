import { createHash } from 'node:crypto';
import { derElement, derElements } from './der.ts';

const SEQUENCE = 0x30;
const SET = 0x31;
const UTF8_STRING = 0x0c;

/** An optional first field of a certificate: its version. */
const EXPLICIT_0 = 0xa0;

/** Fields of a certificate before its subject: serial number, algorithm, issuer, validity. */
const FIELDS_BEFORE_SUBJECT = 4;

/** How the text types of X.509 hold characters; OpenSSL reads T61String as Latin-1. */
const TEXT_DECODERS: Readonly<Record<number, (bytes: Buffer) => string>> = {
  [UTF8_STRING]: (bytes) => bytes.toString('latin1'),
  19: latin1, // PrintableString
  20: latin1, // T61String
  22: latin1, // IA5String
  26: latin1, // VisibleString
  28: (bytes) => fromUtf32(bytes), // UniversalString
  30: (bytes) => fromUtf16(bytes), // BMPString
};

/**
 * Returns the number by which OpenSSL finds a certificate in a folder, in 8 hex digits: of its subject, where
 * neither case nor space matters (`openssl x509 -subject_hash`). `undefined` for what is not a certificate.
 * Computed here because an emulated guest takes long to start `openssl`, and hosts need not have it.
 */
export function subjectHash(certificate: Buffer): string | undefined {
  const subject = subjectOf(certificate);
  const canonical = subject && canonicalName(subject);
  if (!canonical) return undefined;
  const digest = createHash('sha1').update(canonical).digest();
  return digest.readUInt32LE().toString(16).padStart(8, '0');
}

function subjectOf(certificate: Buffer): Buffer | undefined {
  const signed = only(certificate, SEQUENCE);
  const [body] = (signed && derElements(signed)) ?? [];
  const fields = body?.tag === SEQUENCE ? derElements(body.content) : undefined;
  if (!fields) return undefined;
  const subject = fields[FIELDS_BEFORE_SUBJECT + (fields[0]?.tag === EXPLICIT_0 ? 1 : 0)];
  return subject?.tag === SEQUENCE ? subject.content : undefined;
}

/** The content of the one element that the bytes are, when it has this tag. */
function only(bytes: Buffer, tag: number): Buffer | undefined {
  const elements = derElements(bytes);
  return elements?.length === 1 && elements[0]?.tag === tag ? elements[0].content : undefined;
}

/** OpenSSL's `x509_name_canon()`: the sets of a name behind each other, their texts made comparable. */
function canonicalName(name: Buffer): Buffer | undefined {
  const sets: Buffer[] = [];
  const given = derElements(name);
  if (!given) return undefined;
  for (const set of given) {
    const attributes: Buffer[] = [];
    for (const { content } of derElements(set.content) ?? []) {
      const [type, value] = derElements(content) ?? [];
      if (!type || !value) return undefined;
      const decode = TEXT_DECODERS[value.tag];
      const comparable = decode
        ? derElement(UTF8_STRING, comparableText(decode(value.content)))
        : value.whole;
      attributes.push(derElement(SEQUENCE, Buffer.concat([type.whole, comparable])));
    }
    // DER sorts the elements of a set.
    sets.push(derElement(SET, Buffer.concat(attributes.sort(Buffer.compare))));
  }
  return Buffer.concat(sets);
}

/** `text` has one character per byte of UTF-8. ASCII alone is folded, as in OpenSSL. */
function comparableText(text: string): Buffer {
  const folded = text
    .replace(/^[\t-\r ]+|[\t-\r ]+$/g, '')
    .replace(/[\t-\r ]+/g, ' ')
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return Buffer.from(folded, 'latin1');
}

function latin1(bytes: Buffer): string {
  return utf8Bytes(bytes.toString('latin1'));
}

function fromUtf16(bytes: Buffer): string {
  return utf8Bytes(
    Buffer.from(bytes.subarray(0, bytes.length & ~1))
      .swap16()
      .toString('utf16le'),
  );
}

function fromUtf32(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at + 4 <= bytes.length; at += 4) {
    const point = bytes.readUInt32BE(at);
    text += String.fromCodePoint(point <= 0x10ffff ? point : 0xfffd);
  }
  return utf8Bytes(text);
}

/** A text as the bytes of its UTF-8, one character for each. */
function utf8Bytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
