import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';

/** A file of a release as it is published. */
export interface Artifact {
  name: string;
  content: Buffer;
}

/** `SHA256SUMS` of the files, as `sha256sum -c` reads it, sorted by name. */
export function sha256Sums(artifacts: readonly Artifact[]): string {
  return [...artifacts]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, content }) => `${createHash('sha256').update(content).digest('hex')}  ${name}\n`)
    .join('');
}

/**
 * Reads a private key for {@link signText}.
 *
 * @throws {Error} when it is no unencrypted ECDSA key on P-256 in PEM.
 */
export function signingKey(pem: string): KeyObject {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new Error('the signing key is no ECDSA key on P-256');
  }
  return key;
}

/** The public half of a signing key, in PEM. */
export function publicHalf(key: KeyObject): string {
  return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString();
}

/**
 * Signatures of a text, one on each line, each as `cosign sign-blob --key` writes it: base64 of ASN.1 DER.
 * With one key there is no newline.
 */
export function signText(text: string, keys: readonly KeyObject[]): string {
  const signatures = keys.map((key) => sign('sha256', Buffer.from(text), { key, dsaEncoding: 'der' }));
  return signatures.map((signature) => signature.toString('base64')).join('\n');
}
