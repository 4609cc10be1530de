import assert from 'node:assert/strict';
import { test } from 'node:test';
import { debianCodename, parseMirrors, sourcesLines } from './apt-host.ts';
import { debianBookworm } from './recipes/debian-bookworm.ts';

const targets = (archive: string, security: string) =>
  `${archive} trixie\n${archive} trixie-updates\n${security} trixie-security\nhttps://other.example/x stable\n`;

test('the mirrors of a Debian host are used, whatever its own release is', () => {
  const mirrors = parseMirrors(targets('http://a.example/debian/', 'http://a.example/security/'), 'trixie');
  assert.deepEqual(mirrors, { archive: 'http://a.example/debian', security: 'http://a.example/security' });
  const lines = sourcesLines(debianBookworm, mirrors);
  assert.deepEqual(
    lines.map((line) => line.replace(/^deb \[signed-by=[^\]]+\] /, '')),
    [
      'http://a.example/debian bookworm main',
      'http://a.example/debian bookworm-updates main',
      'http://a.example/security bookworm-security main',
    ],
  );
});

test('mirrors that have a password, are on this host, or are not network addresses are not used', () => {
  for (const uri of [
    'http://user:word@a.example/debian/',
    'http://localhost:3142/debian/',
    'file:/srv/debian/',
    'x',
  ]) {
    assert.equal(parseMirrors(targets(uri, 'http://a.example/security'), 'trixie'), undefined);
    assert.equal(parseMirrors(targets('http://a.example/debian', uri), 'trixie'), undefined);
  }
  assert.deepEqual(sourcesLines(debianBookworm, undefined), []);
});

test('only Debian itself has Debian mirrors', () => {
  assert.equal(debianCodename('ID=debian\nVERSION_CODENAME=bookworm\n'), 'bookworm');
  assert.equal(debianCodename('ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n'), undefined);
  assert.equal(debianCodename(''), undefined);
});
