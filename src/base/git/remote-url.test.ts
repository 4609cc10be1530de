import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withoutCredentials } from './remote-url.ts';

const CASES: readonly (readonly [string, string])[] = [
  ['https://example.com/a.git', 'https://example.com/a.git'],
  ['https://user@example.com/a.git', 'https://example.com/a.git'],
  ['https://user:pass@example.com:8443/a.git?x=1#y', 'https://example.com:8443/a.git?x=1#y'],
  ['HTTP://token:x-oauth-basic@[::1]/a', 'HTTP://[::1]/a'],
  ['https://u:p@ss@example.com/a@b', 'https://example.com/a@b'],
  ['ssh://git@example.com:22/a.git', 'ssh://git@example.com:22/a.git'],
  ['ssh://git:pass@example.com/a.git', 'ssh://git@example.com/a.git'],
  ['git@example.com:a/b.git', 'git@example.com:a/b.git'],
  ['ftp://u:p@example.com/', 'ftp://example.com/'],
  ['helper::https://u:p@example.com/a', 'helper::https://example.com/a'],
  ['file:///srv/a@b/c.git', 'file:///srv/a@b/c.git'],
  ['/srv/a@b/c.git', '/srv/a@b/c.git'],
  ['../relative', '../relative'],
  ['', ''],
];

for (const [url, expected] of CASES) {
  test(`withoutCredentials() makes "${expected}" of "${url}"`, () => {
    assert.equal(withoutCredentials(url), expected);
  });
}

test('withoutCredentials() removes every password of an address, and is idempotent', () => {
  const part = fc.stringMatching(/^[A-Za-z0-9%._~!$&'()*+,;=:@-]{1,12}$/);
  fc.assert(
    fc.property(fc.constantFrom('https', 'http', 'ssh', 'x-y'), part, part, (scheme, user, rest) => {
      const clean = withoutCredentials(
        `${scheme}://${user}:s3cret-p/ss@example.com/${rest}`.replace('/ss', 'ss'),
      );
      assert.ok(!clean.includes('s3cret'), clean);
      assert.equal(withoutCredentials(clean), clean);
    }),
  );
});
