import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { billOfMaterials } from '../../scripts/release/bill-of-materials.ts';
import { publicHalf, sha256Sums, signingKey, signText } from '../../scripts/release/checksums.ts';
import { debianPackage } from '../../scripts/release/debian-package.ts';
import { below, type PackageEntry, plainFile, programFile } from '../../scripts/release/entries.ts';
import { manPage } from '../../scripts/release/man-page.ts';
import { manifestText, manifestWith, renewed } from '../../scripts/release/manifest.ts';
import { lockedPackage, npmFiles } from '../../scripts/release/npm-download.ts';
import { releaseOptions } from '../../scripts/release/options.ts';
import { provenance } from '../../scripts/release/provenance.ts';
import { tarArchive, zstd } from '../../scripts/release/tar-archive.ts';
import { neverAborts } from '../../src/base/abort.ts';
import { CATALOG } from '../../src/cli/commands.ts';
import { parseManifest } from '../../src/cli/update/manifest.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const mtimeMs = Date.parse('2026-01-02T03:04:05Z');

const TREE: readonly PackageEntry[] = [
  programFile('bin/banger', '#!/bin/sh\n'),
  plainFile('share/man/man1/banger.1', '.TH BANGER 1\n'),
  plainFile('share/zsh/site-functions/_banger', '#compdef banger\n'),
  plainFile(`share/${'long/'.repeat(30)}name`, 'x'.repeat(1000)),
  { path: 'link', target: 'bin/banger' },
];

describe('the packages of a release', () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'release-'));
  });
  after(() => rm(dir, { recursive: true }));

  const output = (program: string, ...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd: dir });
    assert.equal(status, 0, stderr);
    return stdout;
  };

  test('an archive is unpacked by tar with its modes, and is the same whatever the order of entries', async () => {
    const archive = tarArchive(below('top', TREE), { mtimeMs });
    assert.ok(archive.equals(tarArchive(below('top', [...TREE].reverse()), { mtimeMs })));
    await writeFile(join(dir, 'a.tar'), archive);
    output('tar', '-xf', 'a.tar');
    assert.equal(output('stat', '-c', '%a %F %Y', 'top/bin/banger'), '755 regular file 1767323045\n');
    assert.equal(output('stat', '-c', '%a', 'top/share/man/man1/banger.1'), '644\n');
    assert.equal(output('readlink', 'top/link'), 'bin/banger\n');
    assert.equal(output('cat', `top/share/${'long/'.repeat(30)}name`), 'x'.repeat(1000));
    const packed = await zstd(archive, { level: 3 });
    assert.ok(packed.equals(await zstd(archive, { level: 3 })));
    assert.ok(packed.length < archive.length / 4);
  });

  test('dpkg reads a Debian package: what it depends on, the command and the manual in their places', {
    skip: spawnSync('dpkg-deb', ['--version']).error ? 'no dpkg-deb here' : false,
  }, async () => {
    const content = await debianPackage(TREE, {
      version: '1.2.3',
      arch: 'arm64',
      mtimeMs,
      level: 3,
      copyright: 'free\n',
    });
    await writeFile(join(dir, 'a.deb'), content);
    assert.equal(
      output('dpkg-deb', '-f', 'a.deb', 'Package', 'Version', 'Architecture'),
      'Package: banger\nVersion: 1.2.3\nArchitecture: arm64\n',
    );
    assert.match(
      output('dpkg-deb', '-f', 'a.deb', 'Depends'),
      /^qemu-system-arm, .*e2fsprogs, openssh-client/,
    );
    output('dpkg-deb', '-x', 'a.deb', 'unpacked');
    assert.equal(output('readlink', 'unpacked/usr/bin/banger'), '../lib/banger/bin/banger\n');
    assert.equal(
      output('readlink', 'unpacked/usr/share/man/man1/banger.1'),
      '/usr/lib/banger/share/man/man1/banger.1\n',
    );
    assert.equal(
      output('readlink', 'unpacked/usr/share/zsh/vendor-completions/_banger'),
      '/usr/lib/banger/share/zsh/site-functions/_banger\n',
    );
    assert.equal(output('stat', '-c', '%a', 'unpacked/usr/lib/banger/bin/banger'), '755\n');
  });

  test('checksums and their signature are what sha256sum and openssl expect', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = signingKey(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    const artifacts = [
      { name: 'b', content: Buffer.from('two') },
      { name: 'a', content: Buffer.from('one') },
    ];
    for (const { name, content } of artifacts) await writeFile(join(dir, name), content);
    const sums = sha256Sums(artifacts);
    const signature = signText(sums, [key]);
    assert.match(signature, /^[A-Za-z0-9+/]+=*$/);
    await writeFile(join(dir, 'sums'), sums);
    await writeFile(join(dir, 'signature'), Buffer.from(signature, 'base64'));
    await writeFile(join(dir, 'key.pem'), publicHalf(key));
    assert.equal(output('sha256sum', '-c', 'sums'), 'a: OK\nb: OK\n');
    const verify = ['dgst', '-sha256', '-verify', 'key.pem', '-signature', 'signature', 'sums'];
    assert.equal(output('openssl', ...verify), 'Verified OK\n');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    assert.throws(() => signingKey(rsa.export({ type: 'pkcs8', format: 'pem' }).toString()), /P-256/);
  });

  test('the manual has every command, and groff has nothing to say against it', {
    skip: spawnSync('groff', ['--version']).error ? 'no groff here' : false,
  }, async () => {
    const page = manPage(CATALOG, { version: 'v1.2.3', date: '2026-01-02' });
    await writeFile(join(dir, 'banger.1'), page);
    const { stdout, stderr } = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-P-cbou', 'banger.1'], {
      cwd: dir,
      encoding: 'utf8',
    });
    assert.equal(stderr, '');
    const words = stdout.replace(/\s+/g, ' ');
    for (const command of CATALOG.commands.filter(({ isHidden }) => !isHidden)) {
      assert.ok(words.includes(`banger ${command.path.join(' ')}`), command.path.join(' '));
    }
  });

  test('the bill of materials names each component by version and package URL', () => {
    const component = { name: 'x', version: '1.0.0', purl: 'pkg:npm/x@1.0.0', licence: 'free' };
    const bill = JSON.parse(billOfMaterials([component], { version: 'v1.2.3', commit: 'c', builtAt: 't' }));
    assert.equal(bill.bomFormat, 'CycloneDX');
    assert.deepEqual(bill.components, [
      { type: 'library', 'bom-ref': 'pkg:npm/x@1.0.0', name: 'x', version: '1.0.0', purl: 'pkg:npm/x@1.0.0' },
    ]);
  });

  test('the provenance names each file by the hash that SHA256SUMS has, and what they were made of', () => {
    const files = [
      { name: 'b.tar.zst', content: Buffer.from('b') },
      { name: 'a.deb', content: Buffer.from('a') },
    ];
    const components = [{ name: 'p', version: '1', purl: 'pkg:npm/p@1', licence: 'MIT' }];
    const keys = ['KEY'];
    const update = { manifestUrl: 'https://example.com/manifest.json', keys, threshold: 1 };
    const parameters = { version: 'v1.2.3', commit: 'c'.repeat(40), archs: ['amd64'], level: 3, update };
    const text = provenance(files, components, parameters);
    assert.equal(provenance(files, components, parameters), text);
    const { subject, predicate, predicateType } = JSON.parse(text);
    assert.equal(predicateType, 'https://slsa.dev/provenance/v1');
    const lines = subject.map(
      ({ name, digest }: { name: string; digest: { sha256: string } }) => `${digest.sha256}  ${name}\n`,
    );
    assert.equal([...lines].reverse().join(''), sha256Sums(files));
    const { externalParameters, resolvedDependencies } = predicate.buildDefinition;
    assert.deepEqual(resolvedDependencies, [
      { uri: 'pkg:generic/banger@v1.2.3', digest: { gitCommit: 'c'.repeat(40) } },
      { uri: 'pkg:npm/p@1' },
    ]);
    assert.equal(externalParameters.manifestUrl, update.manifestUrl);
    assert.ok(!text.includes('KEY'), 'only the hash of a key is there');
  });

  test('the list of releases keeps earlier ones, and can be signed for longer', () => {
    const nowMs = Date.parse('2026-06-01T00:00:00Z');
    const first = manifestWith(undefined, { version: 'v0.9.0', builtAt: 't', nowMs });
    const second = manifestWith(first, { version: 'v0.10.0', builtAt: 't', nowMs });
    assert.deepEqual(
      second.releases.map(({ version }) => version),
      ['v0.10.0', 'v0.9.0'],
    );
    assert.equal(second.latest_stable, 'v0.10.0');
    const fix = manifestWith(second, { version: 'v0.9.1', builtAt: 't', nowMs });
    assert.equal(fix.latest_stable, 'v0.10.0', 'a fix of an older release is not the latest');
    assert.equal(first.expires_at, '2026-11-28T00:00:00.000Z');
    const later = renewed(first, { nowMs: nowMs + 24 * 60 * 60_000 });
    assert.deepEqual(later, { ...first, expires_at: '2026-11-29T00:00:00.000Z' });
    assert.deepEqual(parseManifest(manifestText(second), { nowMs }), second);
  });

  test('an archive of npm with another hash than the lock file has is never used', async () => {
    const pkg = await lockedPackage(ROOT, 'httpxy');
    const cacheDir = join(dir, 'downloads');
    const wanted = (path: string): boolean => path === 'package.json';
    const options = { cacheDir, wanted, signal: neverAborts() };
    const files = await npmFiles(pkg, options);
    assert.equal(JSON.parse(files.get('package.json')?.toString() ?? '').name, 'httpxy');
    const path = join(cacheDir, `httpxy-${pkg.version}.tgz`);
    const whole = await readFile(path);
    await writeFile(path, Buffer.from('damaged'));
    await npmFiles(pkg, options);
    assert.ok((await readFile(path)).equals(whole), 'downloaded again');
    await rm(path);
    const other = { ...pkg, integrity: `sha512-${'A'.repeat(86)}==` };
    await assert.rejects(npmFiles(other, options), /does not have the hash of package-lock.json/);
  });

  for (const [args, message] of [
    [['--arch', 'riscv64'], /--arch "riscv64": it may be amd64 or arm64/],
    [['--version', '1.2'], /--version "1.2": it is vX.Y.Z/],
    [['--level', '0'], /--level "0": it is a whole number from 1 to 22/],
    [['--base-url', 'ftp://x', '--key', 'k'], /--base-url "ftp:\/\/x": it begins with https/],
    [['--base-url', 'https://example.com'], /needs --key or --public-key/],
    [
      ['--key', 'k', '--threshold', '2'],
      /--threshold "2": it is a whole number from 1 to the number of keys/,
    ],
    [['--renew', 'manifest.json'], /--renew needs --key/],
    [['--unknown'], /Unknown option/],
  ] as const) {
    test(`refuses ${args.join(' ')}`, () => {
      assert.throws(() => releaseOptions(args), message);
    });
  }
});
