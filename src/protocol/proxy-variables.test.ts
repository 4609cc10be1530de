import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isAppError } from '../base/errors.ts';
import { decodeProxies, encodeProxies, proxiesOf } from './proxy-variables.ts';

test('proxiesOf() prefers lower-case names, skips empty values, and leaves out what is too long', () => {
  const env = {
    http_proxy: 'http://a',
    HTTP_PROXY: 'http://b',
    https_proxy: '',
    HTTPS_PROXY: 'http://c',
    ALL_PROXY: 'x'.repeat(3000),
    no_proxy: 'here',
    ftp_proxy: 'http://d',
  };
  assert.deepEqual(proxiesOf(env), { http: 'http://a', https: 'http://c', no: 'here' });
  assert.deepEqual(proxiesOf({}), {});
});

test('what a client encodes is what the daemon decodes', () => {
  const value = fc.string({ unit: 'binary', maxLength: 200 });
  const proxies = fc.record({ http: value, https: value, all: value, no: value }, { requiredKeys: [] });
  fc.assert(
    fc.property(proxies, (given) => assert.deepEqual(decodeProxies(encodeProxies(given)), { ...given })),
  );
  const longest = proxiesOf(
    Object.fromEntries(
      ['http', 'https', 'all', 'no'].map((name) => [`${name}_proxy`, '\u0001'.repeat(2048)]),
    ),
  );
  assert.deepEqual(decodeProxies(encodeProxies(longest)), longest);
});

test('any other header is refused without its content', () => {
  const isRefused = (header: string): boolean => {
    try {
      decodeProxies(header);
      return false;
    } catch (error) {
      return isAppError(error, 'REQUEST_INVALID') && !error.message.includes('secret');
    }
  };
  for (const value of [
    'null',
    '[]',
    '1',
    '"secret"',
    '{"http":1}',
    `{"no":"${'s'.repeat(2049)}"}`,
    '{secret',
  ]) {
    assert.ok(isRefused(Buffer.from(value).toString('base64')), value);
  }
  assert.ok(isRefused('x'.repeat(70_000)));
  fc.assert(
    fc.property(fc.string(), (header) => {
      try {
        decodeProxies(header);
      } catch (error) {
        assert.ok(isAppError(error, 'REQUEST_INVALID'));
      }
    }),
  );
});
