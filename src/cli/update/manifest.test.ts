import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../base/errors.ts';
import { parseManifest, releaseIn } from './manifest.ts';
import { compareVersions, isVersion } from './version-order.ts';

const RELEASE = {
  version: 'v0.2.0',
  tarball_url: 't',
  sha256sums_url: 's',
  sha256sums_sig_url: 'g',
  released_at: '2026-01-02T03:04:05Z',
};
const LIST = { schema_version: 1, latest_stable: 'v0.2.0', releases: [RELEASE] };
const nowMs = Date.parse('2026-06-01T00:00:00Z');

describe('parseManifest()', () => {
  test('reads schema 1, with or without an end of its validity, and fields of later versions', () => {
    for (const more of [{}, { expires_at: '2026-06-01T00:00:01Z' }, { notes: 'x' }]) {
      const found = parseManifest(JSON.stringify({ ...LIST, ...more }), { nowMs });
      assert.equal(releaseIn(found, undefined).version, 'v0.2.0');
    }
  });

  for (const [what, text, message] of [
    ['text that is not JSON', '{', /it is not JSON/],
    [
      'another schema',
      JSON.stringify({ ...LIST, schema_version: 2 }),
      /schema 2, and this version of banger knows 1/,
    ],
    ['no releases', JSON.stringify({ ...LIST, releases: undefined }), /releases: is missing/],
    [
      'a strange version',
      JSON.stringify({ ...LIST, latest_stable: '../x' }),
      /latest_stable: must be a version/,
    ],
    ['a strange end', JSON.stringify({ ...LIST, expires_at: 'soon' }), /expires_at: must be a time/],
    [
      'an end that has passed',
      JSON.stringify({ ...LIST, expires_at: '2026-05-31T23:59:59Z' }),
      /it expired at/,
    ],
  ] as const) {
    test(`refuses ${what}`, () => {
      assert.throws(() => parseManifest(text, { nowMs }), message);
    });
  }

  test('reads any JSON, or refuses it', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          parseManifest(text, { nowMs });
        } catch (error) {
          assert.ok(isAppError(error, 'UPDATE_MANIFEST_INVALID', 'UPDATE_MANIFEST_EXPIRED'));
        }
      }),
    );
  });
});

describe('compareVersions()', () => {
  test('orders by numbers, not by text', () => {
    const versions = ['v0.10.0', 'v1.0.0', 'v0.9.9', 'v0.9.10'].sort(compareVersions);
    assert.deepEqual(versions, ['v0.9.9', 'v0.9.10', 'v0.10.0', 'v1.0.0']);
    assert.equal(compareVersions('v1.2.3', 'v1.2.3'), 0);
  });

  test('only vX.Y.Z is a version', () => {
    for (const text of ['v1.2', '1.2.3', 'v01.2.3', 'v1.2.3-rc1', 'v1.2.3\n', 'v1.2.3/..']) {
      assert.equal(isVersion(text), false, text);
    }
  });
});
