import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { AppError } from '../../base/errors.ts';

/** Who may sign releases. */
export interface Trust {
  /** ECDSA keys on P-256 */
  keys: readonly KeyObject[];
  /** how many of them must have signed */
  threshold: number;
}

/** Most keys, and most signatures of one file. */
const MAX_KEYS = 8;

/** Longest DER form of a signature on P-256, in `bytes`. */
const MAX_SIGNATURE_BYTES = 72;

/** Longest key in PEM that is read, in characters; it has 178. */
const MAX_PEM_CHARS = 4096;

const PEM = /-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----/g;

/**
 * Reads public keys, each in PEM, one or several in a text.
 *
 * @throws {AppError} UPDATE_KEY_INVALID when there is none, or one is no ECDSA key on P-256, or the threshold
 * exceeds their number.
 */
export function trustOf(texts: readonly string[], { threshold = 1 }: { threshold?: number } = {}): Trust {
  const pems = texts.flatMap((text) => text.slice(0, MAX_KEYS * MAX_PEM_CHARS).match(PEM) ?? []);
  if (pems.length === 0) throw keyInvalid('there is none in PEM');
  if (pems.length > MAX_KEYS) throw keyInvalid(`there are more than ${MAX_KEYS}`);
  const keys = new Map(pems.map((pem) => [pem.replace(/\s/g, ''), keyOf(pem)]));
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > keys.size) {
    throw keyInvalid(`${threshold} of ${keys.size} cannot be required`);
  }
  return { keys: [...keys.values()], threshold };
}

function keyOf(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (error) {
    throw keyInvalid('it is damaged', error);
  }
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  throw keyInvalid('it is no ECDSA key on P-256');
}

/**
 * Checks that enough keys have signed `content`. `signatures` has one on each line: base64 of an ASN.1 DER
 * ECDSA signature of the SHA-256, as `cosign sign-blob --key` writes it.
 *
 * @throws {AppError} UPDATE_NOT_TRUSTED; `name` is that of the content.
 */
export function requireSigned(
  content: Buffer,
  { name, signatures, trust }: { name: string; signatures: string; trust: Trust },
): void {
  const lines = signatures.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
  if (lines.length === 0 || lines.length > MAX_KEYS) throw notTrusted(name, 'its signature is missing');
  const given = lines.map((line) => {
    const bytes = Buffer.from(line, 'base64');
    const isExact = bytes.toString('base64') === line && bytes.length <= MAX_SIGNATURE_BYTES;
    if (!isExact) throw notTrusted(name, 'its signature is damaged');
    return bytes;
  });
  const signers = trust.keys.filter((key) =>
    given.some((signature) => verify('sha256', content, { key, dsaEncoding: 'der' }, signature)),
  );
  if (signers.length >= trust.threshold) return;
  const why =
    trust.threshold === 1
      ? 'its signature is wrong'
      : `${signers.length} of the ${trust.threshold} signatures that it needs are right`;
  throw notTrusted(name, why);
}

function notTrusted(name: string, why: string): AppError {
  return new AppError('UPDATE_NOT_TRUSTED', `Cannot trust ${name}: ${why}`, {
    hint: 'nothing was changed; try again, and tell the makers of banger if it stays so',
    details: { name },
  });
}

function keyInvalid(why: string, cause?: unknown): AppError {
  return new AppError('UPDATE_KEY_INVALID', `Cannot use the public key of releases: ${why}`, {
    hint: 'install a release with its install.sh, which has the key',
    cause,
  });
}
