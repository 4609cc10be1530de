import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';

/** A key pair as OpenSSH keeps it in files. */
export interface SshKeyPair {
  /** content of `id_ed25519` or `ssh_host_ed25519_key` */
  privateKey: string;
  /** content of the file of that name with `.pub` */
  publicKey: string;
}

/** The comment of every key. Never the VM's name: a guest overwrites a file of the same length in place. */
export const SSH_KEY_COMMENT = 'banger';

const KEY_TYPE = 'ssh-ed25519';
const SEED_BYTES = 32;

/** The bytes before the 32 bytes of an Ed25519 private key in PKCS #8 (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

const MAGIC = Buffer.from('openssh-key-v1\0');

/** Bytes that the secret part is padded to a multiple of, without a cipher. */
const BLOCK_BYTES = 8;

/** Base64 digits in a line, as ssh-keygen(1) writes them. */
const LINE_LENGTH = 70;

/**
 * The Ed25519 key pair with the secret `seed` (32 bytes). Pure: the same arguments make the same files, so
 * that nothing changes in a guest that already has them. The private key's format is openssh-key-v1, without
 * a passphrase (PROTOCOL.key of OpenSSH).
 */
export function sshKeyPair(seed: Uint8Array, comment: string): SshKeyPair {
  const pkcs8 = Buffer.concat([PKCS8_PREFIX, seed.subarray(0, SEED_BYTES)]);
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const point = Buffer.from(x, 'base64url');
  const publicBlob = Buffer.concat([text(KEY_TYPE), text(point)]);
  // The same number twice, by which decryption checks the passphrase. Here it is constant for one key.
  const check = createHash('sha256').update(pkcs8).digest().subarray(0, 4);
  const secret = pad(
    Buffer.concat([
      check,
      check,
      publicBlob,
      text(Buffer.concat([seed.subarray(0, SEED_BYTES), point])),
      text(comment),
    ]),
  );
  const file = Buffer.concat([
    MAGIC,
    text('none'),
    text('none'),
    text(''),
    uint32(1),
    text(publicBlob),
    text(secret),
  ]);
  const lines = file.toString('base64').match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? [];
  return {
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines.join('\n')}\n-----END OPENSSH PRIVATE KEY-----\n`,
    publicKey: `${KEY_TYPE} ${publicBlob.toString('base64')} ${comment}\n`,
  };
}

/**
 * The public key, `TYPE BASE64`, from the content of a private key's file (openssh-key-v1, also with a
 * passphrase); undefined when it is not such a file.
 */
export function publicKeyOf(privateKey: string): string | undefined {
  const base64 =
    /^-----BEGIN OPENSSH PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+)-----END OPENSSH PRIVATE KEY-----\s*$/.exec(
      privateKey,
    )?.[1];
  const file = Buffer.from(base64 ?? '', 'base64');
  if (!file.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  try {
    let rest = file.subarray(MAGIC.length);
    const next = (): Buffer => {
      const end = 4 + rest.readUInt32BE(0);
      if (end > rest.length) throw new RangeError('cut short');
      const value = rest.subarray(4, end);
      rest = rest.subarray(end);
      return value;
    };
    // Cipher, how its key is derived, and with what; then how many keys there are.
    for (let skipped = 0; skipped < 3; skipped += 1) next();
    rest = rest.subarray(4);
    const blob = next();
    const type = blob.subarray(4, 4 + blob.readUInt32BE(0)).toString();
    return /^[a-z0-9@.-]+$/.test(type) ? `${type} ${blob.toString('base64')}` : undefined;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return undefined;
  }
}

/** A string of the SSH protocol (RFC 4251, section 5): its length, then its bytes. */
function text(content: string | Uint8Array): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** With 1, 2, 3, ... up to the next block. */
function pad(secret: Buffer): Buffer {
  const missing = (BLOCK_BYTES - (secret.length % BLOCK_BYTES)) % BLOCK_BYTES;
  return Buffer.concat([secret, Buffer.from(Array.from({ length: missing }, (_, index) => index + 1))]);
}
