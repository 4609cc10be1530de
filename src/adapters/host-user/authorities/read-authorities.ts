import { X509Certificate } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Abortable } from '../../../base/abort.ts';
import { isErrno, printable } from '../../../base/errors.ts';
import type { Authority } from '../../../protocol/guest.ts';
import { subjectHash } from './subject-hash.ts';

/** A folder of certificates that a host trusts. */
export interface AuthorityFolder {
  path: string;
  /** ending of the names of its certificates; default: any */
  suffix?: string;
}

/**
 * Where the administrator of a host puts certificates that its programs trust besides the distribution's:
 * Debian and Alpine, Fedora, SUSE, Arch. These folders have nothing of the distribution.
 */
export const AUTHORITY_FOLDERS: readonly AuthorityFolder[] = [
  // update-ca-certificates(8) takes no others.
  { path: '/usr/local/share/ca-certificates', suffix: '.crt' },
  { path: '/etc/pki/ca-trust/source/anchors' },
  { path: '/etc/pki/trust/anchors' },
  { path: '/etc/ca-certificates/trust-source/anchors' },
];

/** Most bytes of one file: hundreds of certificates. */
const MAX_FILE_BYTES = 1024 * 1024;

/** Most authorities that a guest gets; hosts have a handful of their own. */
const MAX_AUTHORITIES = 64;

/** Most entries that are looked at. */
const MAX_ENTRIES = 1_000;

/** The authorities that were found. */
export interface FoundAuthorities {
  authorities: Authority[];
  /** for the user: what was left out, and why */
  notices: string[];
}

/**
 * Reads the certificates in `folders` and the folders in them, each certificate once: from files of one or
 * more in PEM, or of one in DER. A folder that does not exist has none. What cannot be read is left out with
 * a notice.
 */
export async function readAuthorities(
  folders: readonly AuthorityFolder[],
  { signal }: Abortable,
): Promise<FoundAuthorities> {
  const found = new Map<string, Authority>();
  const notices: string[] = [];
  const leaveOut = (path: string, why: string): void => {
    notices.push(`the guest does not get the certificate "${printable(path)}": ${why}`);
  };
  for (const path of await filesIn(folders, leaveOut)) {
    signal.throwIfAborted();
    const content = await contentOf(path, leaveOut);
    if (!content) continue;
    const certificates = certificatesIn(content);
    if (certificates.length === 0) leaveOut(path, 'it has none that can be read');
    for (const certificate of certificates) {
      const hash = subjectHash(certificate.raw);
      if (hash) found.set(certificate.fingerprint256, { pem: pemOf(certificate.raw), subjectHash: hash });
      else leaveOut(path, 'the name in it cannot be read');
    }
  }
  if (found.size > MAX_AUTHORITIES) {
    notices.push(`the guest gets only ${MAX_AUTHORITIES} of the ${found.size} authorities of the host`);
  }
  return { authorities: [...found.values()].slice(0, MAX_AUTHORITIES), notices };
}

type LeaveOut = (path: string, why: string) => void;

/** Paths below the folders that may be certificates by their names, sorted. */
async function filesIn(folders: readonly AuthorityFolder[], leaveOut: LeaveOut): Promise<string[]> {
  const files: string[] = [];
  for (const { path, suffix = '' } of folders) {
    let names: string[];
    try {
      names = await readdir(path, { recursive: true });
    } catch (error) {
      if (isErrno(error, 'ENOENT', 'ENOTDIR')) continue;
      if (!isErrno(error, 'EACCES', 'EPERM', 'ELOOP')) throw error;
      leaveOut(path, 'it cannot be read');
      continue;
    }
    const wanted = names.filter((name) => name.endsWith(suffix)).sort();
    for (const name of wanted.slice(0, MAX_ENTRIES)) files.push(join(path, name));
  }
  return files;
}

/** `undefined` for what is not a file, and for what cannot be read. */
async function contentOf(path: string, leaveOut: LeaveOut): Promise<Buffer | undefined> {
  try {
    const info = await stat(path);
    if (!info.isFile()) return undefined;
    if (info.size > MAX_FILE_BYTES) {
      leaveOut(path, 'it is too large');
      return undefined;
    }
    return await readFile(path);
  } catch (error) {
    if (!isErrno(error, 'ENOENT', 'EACCES', 'EPERM', 'ELOOP', 'EIO')) throw error;
    leaveOut(path, 'it cannot be read');
    return undefined;
  }
}

const PEM_BLOCK =
  /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g;

function certificatesIn(content: Buffer): X509Certificate[] {
  const blocks = content.toString('latin1').match(PEM_BLOCK);
  return (blocks ?? [content]).flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch (error) {
      // OpenSSL's own codes: of a PEM or DER that it cannot read.
      if (error instanceof Error && 'code' in error) return [];
      throw error;
    }
  });
}

/** In lines of 64 characters, as trust stores have it, so that equal certificates are equal texts. */
function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
