import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';

/** Files of a certificate and its key. */
export interface MadeCertificate {
  certificate: string;
  key: string;
}

/** Extension fields of openssl-req(1) that tests use. */
const AUTHORITY = 'basicConstraints=critical,CA:TRUE';

/** Makes a certificate authority with openssl(1) in `dir`; `subject` as in `-subj`, of UTF-8. */
export async function makeAuthority(
  dir: string,
  name: string,
  { subject = `/CN=${name}`, more = [] }: { subject?: string; more?: readonly string[] } = {},
): Promise<MadeCertificate> {
  mkdirSync(dir, { recursive: true });
  const [certificate, key] = [join(dir, `${name}.crt`), join(dir, `${name}.key`)];
  await openssl([
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-utf8'],
    ...['-days', '2', '-subj', subject, '-addext', AUTHORITY, '-keyout', key, '-out', certificate, ...more],
  ]);
  return { certificate, key };
}

/** Makes the certificate of a server, signed by an authority. */
export async function makeServerCertificate(
  dir: string,
  host: string,
  authority: MadeCertificate,
): Promise<MadeCertificate> {
  const [certificate, key, request] = ['crt', 'key', 'csr'].map((end) => join(dir, `${host}.${end}`)) as [
    string,
    string,
    string,
  ];
  await openssl([
    ...['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${host}`],
    ...['-keyout', key, '-out', request],
  ]);
  const extensions = join(dir, 'extensions');
  writeFileSync(extensions, `subjectAltName=DNS:${host}\n`);
  await openssl([
    ...['x509', '-req', '-in', request, '-days', '2', '-extfile', extensions, '-CAcreateserial'],
    ...['-CA', authority.certificate, '-CAkey', authority.key, '-out', certificate],
  ]);
  return { certificate, key };
}

/** What openssl(1) prints for a certificate's file. */
export async function opensslSubjectHash(certificate: string): Promise<string> {
  return (await openssl(['x509', '-noout', '-subject_hash', '-in', certificate])).trim();
}

/** The content of a certificate's file in DER. */
export async function derOf(certificate: string): Promise<Buffer> {
  const out = `${certificate}.der`;
  await openssl(['x509', '-in', certificate, '-outform', 'DER', '-out', out]);
  return readFileSync(out);
}

async function openssl(args: readonly string[]): Promise<string> {
  const { stdout } = await exec(['openssl', ...args], { signal: neverAborts() });
  return stdout.toString();
}
