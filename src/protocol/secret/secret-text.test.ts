import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AppError } from '../../base/errors.ts';
import { formatSecret, parseSecret, SECRET_SOURCES } from './secret-text.ts';

test('a secret names its variable, its source and its server', () => {
  assert.deepEqual(parseSecret('TOKEN=env:GH_TOKEN@API.example.com'), {
    ...{ name: 'TOKEN', kind: 'env', from: 'GH_TOKEN', host: 'api.example.com', port: 443 },
  });
  const command = parseSecret('T=command:gh auth token --user me@home@git.test:8443');
  assert.deepEqual(
    [command.from, command.host, command.port],
    ['gh auth token --user me@home', 'git.test', 8443],
  );
  assert.equal(parseSecret('T=secret-service:service=git,user=me@git.test').from, 'service=git,user=me');
});

test('what is no secret is refused, without the text that may be the value itself', () => {
  for (const [text, why] of [
    ['hidden', /does not begin with NAME=/],
    ['TOKEN=hidden', /no @HOST/],
    ['TOKEN=hidden@a.test', /source is none of/],
    ['PATH=env:HIDDEN@a.test', /something else/],
    ['LD_PRELOAD=env:HIDDEN@a.test', /something else/],
    ['TOKEN=env:hidden-x@a.test', /name of a variable/],
    ['TOKEN=env:@a.test', /nothing that can be read/],
    ['TOKEN=pass:--hidden@a.test', /name of an entry/],
    ['TOKEN=secret-service:hidden@a.test', /attributes/],
    ['TOKEN=file:/hidden@*.a.test', /one name/],
    ['TOKEN=file:/hidden@192.0.2.1', /neither a name nor an address/],
    ['TOKEN=file:/hidden@localhost', /the guest itself/],
    ['TOKEN=file:/hidden@a.test:0', /not HOST or HOST:PORT/],
    ['TOKEN=file:/hidden@a.test:70000', /not from 1/],
    ['TOKEN=file:/hidden@a.test:8000-8001', /not HOST or HOST:PORT/],
  ] as const) {
    assert.throws(
      () => parseSecret(text),
      (error: unknown) => {
        assert.ok(error instanceof AppError && error.code === 'SECRET_INVALID', text);
        assert.match(error.message, why);
        assert.doesNotMatch(error.message, /hidden/i);
        return true;
      },
    );
  }
});

test('any text is a secret that is printed as it is read, or refused', () => {
  const host = fc.constantFrom(
    'a.test',
    'b.a.test',
    'x_y.test',
    '*.test',
    '',
    '1.2.3.4',
    'a.test:1',
    'a.test:99999',
  );
  const name = fc.oneof(fc.constantFrom('A', 'TOKEN_1', 'PATH', ''), fc.string());
  const kind = fc.oneof(fc.constantFrom(...SECRET_SOURCES), fc.string());
  const text = fc.tuple(name, kind, fc.string(), host).map(([a, b, c, d]) => `${a}=${b}:${c}@${d}`);
  fc.assert(
    fc.property(fc.oneof(text, fc.string()), (given) => {
      try {
        const parsed = parseSecret(given);
        assert.deepEqual(parseSecret(formatSecret(parsed)), parsed);
        assert.match(parsed.name, /^[A-Za-z_][A-Za-z0-9_]*$/);
      } catch (error) {
        assert.ok(error instanceof AppError && error.code === 'SECRET_INVALID');
      }
    }),
  );
});
