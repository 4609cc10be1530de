import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../../../base/errors.ts';
import { parseCatalog } from './catalog.ts';

const URL_OF_ALL = 'https://images.example/v1/catalog.json';
const ENTRY = {
  ...{ name: 'tools', arch: 'amd64', tarball_url: 'tools.tar.zst', tarball_sha256: 'a'.repeat(64) },
  ...{ size: 10, unpacked_size: 20 },
};
const parse = (value: unknown, nowMs = 0) =>
  parseCatalog(typeof value === 'string' ? value : JSON.stringify(value), { url: URL_OF_ALL, nowMs });

test('entries have the whole URLs of their bundles', () => {
  const found = parse({
    version: 1,
    entries: [ENTRY, { ...ENTRY, tarball_url: 'https://other.example/x' }],
    more: 1,
  });
  assert.deepEqual(
    found.map(({ url }) => url),
    ['https://images.example/v1/tools.tar.zst', 'https://other.example/x'],
  );
});

test('a catalog that has expired is refused', () => {
  const catalog = { version: 1, entries: [], expires_at: '2026-01-02T00:00:00.000Z' };
  assert.deepEqual(parse(catalog, Date.parse('2026-01-01T00:00:00Z')), []);
  for (const expires_at of [catalog.expires_at, 'never']) {
    assert.throws(
      () => parse({ ...catalog, expires_at }, Date.parse('2026-01-03T00:00:00Z')),
      (error) => isAppError(error, 'IMAGE_CATALOG_EXPIRED'),
    );
  }
});

test('what is no catalog is refused', () => {
  for (const wrong of [
    ...['', '{', '[]', 'null', { version: 2, entries: [] }, { version: 1 }],
    ...[
      { name: '../x' },
      { arch: 'riscv64' },
      { tarball_sha256: 'x' },
      { size: 0 },
      { unpacked_size: 2 ** 60 },
      { tarball_url: '' },
      { tarball_url: 'http://[' },
    ].map((change) => ({ version: 1, entries: [{ ...ENTRY, ...change }] })),
    { version: 1, entries: Array(1_001).fill(ENTRY) },
  ]) {
    assert.throws(
      () => parse(wrong),
      (error) => isAppError(error, 'IMAGE_CATALOG_INVALID'),
      JSON.stringify(wrong).slice(0, 80),
    );
  }
});

test('any text is a catalog or refused with a code', () => {
  const near = fc
    .record({ version: fc.constant(1), entries: fc.array(fc.jsonValue()) })
    .map((one) => JSON.stringify(one));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), near), (text) => {
      try {
        parse(text);
      } catch (error) {
        assert.ok(isAppError(error, 'IMAGE_CATALOG_INVALID', 'IMAGE_CATALOG_EXPIRED'));
      }
    }),
  );
});
