import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readAuthorities } from '../../../src/adapters/host-user/authorities/read-authorities.ts';
import { subjectHash } from '../../../src/adapters/host-user/authorities/subject-hash.ts';
import { neverAborts } from '../../../src/base/abort.ts';
import { derOf, makeAuthority, opensslSubjectHash } from '../../support/certificates.ts';

const signal = neverAborts();

let dir: string;

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'authorities-'));
});

after(() => rmSync(dir, { recursive: true }));

/** Settings of openssl(1) under which it writes names in other types of text. */
function maskedBy(name: string, mask: string): readonly string[] {
  const config = join(dir, `${name}.cnf`);
  writeFileSync(config, `[req]\nstring_mask = ${mask}\ndistinguished_name = dn\n[dn]\n`);
  return ['-config', config];
}

test('the subject hash is the one that OpenSSL computes, whatever the name', async () => {
  const subjects: [string, readonly string[]][] = [
    ['/CN=Plain', []],
    ['/C=DE/O=  Spaces   and  CASES /OU=\tTabs\t in it/CN=a', []],
    ['/O=Gr\u00fc\u00dfe \u00c4\u00d6/CN=\u65e5\u672c \ud83d\ude80', []],
    ['/O=Gr\u00fc\u00dfe/CN=Latin', maskedBy('t61', 'MASK:4')],
    ['/O=Gr\u00fc\u00dfe  \u65e5\u672c/CN=Wide', maskedBy('bmp', 'MASK:2048')],
    ['/O=Four Bytes \u65e5/CN=Universal', maskedBy('universal', 'MASK:256')],
    ['/emailAddress=Me@Example.com/DC=Corp/CN=mixed', maskedBy('default', 'default')],
    ['/CN=b+OU=a+O=Z/C=DE', ['-multivalue-rdn']],
    [`/O=${'long '.repeat(12)}/CN=${'x'.repeat(60)}`, []],
  ];
  for (const [at, [subject, more]] of subjects.entries()) {
    const { certificate } = await makeAuthority(dir, `hash-${at}`, { subject, more });
    assert.equal(subjectHash(await derOf(certificate)), await opensslSubjectHash(certificate), subject);
  }
});

test('certificates are found in PEM and DER, in folders of folders, and each is there once', async () => {
  const folder = join(dir, 'trusted');
  const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((name) => makeAuthority(dir, name)));
  assert.ok(a && b && c);
  mkdirSync(join(folder, 'deep'), { recursive: true });
  const text = (path: string): string => readFileSync(path, 'utf8');
  writeFileSync(join(folder, 'two.crt'), `# corp\n${text(a.certificate)}between\r\n${text(b.certificate)}`);
  writeFileSync(join(folder, 'again.crt'), text(a.certificate).replaceAll('\n', '\r\n'));
  writeFileSync(join(folder, 'deep', 'binary.crt'), await derOf(c.certificate));
  symlinkSync(b.certificate, join(folder, 'link.crt'));
  symlinkSync('nowhere', join(folder, 'dangling.crt'));
  writeFileSync(join(folder, 'broken.crt'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  writeFileSync(join(folder, 'other.crt'), 'not one');
  writeFileSync(join(folder, 'large.crt'), Buffer.alloc(2 ** 20 + 1));
  writeFileSync(join(folder, 'private.key'), text(a.key));
  const folders = [{ path: folder, suffix: '.crt' }, { path: join(dir, 'not-there') }];
  const { authorities, notices } = await readAuthorities(folders, { signal });
  assert.deepEqual(
    authorities.map(({ pem }) => pem).sort(),
    [a, b, c].map(({ certificate }) => text(certificate)).sort(),
  );
  for (const { pem, subjectHash: hash } of authorities) {
    const file = join(dir, 'one.pem');
    writeFileSync(file, pem);
    assert.equal(hash, await opensslSubjectHash(file));
  }
  const named = notices.map((notice) => /"([^"]*)"/.exec(notice)?.[1]).sort();
  assert.deepEqual(
    named,
    ['broken', 'dangling', 'large', 'other'].map((name) => join(folder, `${name}.crt`)),
  );
  assert.deepEqual(await readAuthorities([], { signal }), { authorities: [], notices: [] });
});
