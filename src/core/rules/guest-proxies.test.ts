import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { guestProxies } from './guest-proxies.ts';

const ITSELF = 'localhost,127.0.0.1,::1';

test('the guest gets both spellings, and reaches itself without a proxy', () => {
  const { environment, isSecret, notices } = guestProxies({
    http: 'http://proxy.test:3128',
    no: ' .corp, 10.0.0.0/8 ,localhost',
  });
  assert.deepEqual(environment, {
    HTTP_PROXY: 'http://proxy.test:3128',
    NO_PROXY: '.corp,10.0.0.0/8,localhost,127.0.0.1,::1',
    http_proxy: 'http://proxy.test:3128',
    no_proxy: '.corp,10.0.0.0/8,localhost,127.0.0.1,::1',
  });
  assert.deepEqual([isSecret, notices], [false, []]);
  assert.deepEqual(guestProxies({ no: 'here' }).environment, {}, 'without a proxy there is nothing to say');
});

for (const [given, wanted] of [
  ['http://localhost:3128', 'http://10.0.2.2:3128'],
  ['LOCALHOST:3128', '10.0.2.2:3128'],
  ['127.0.0.1', '10.0.2.2'],
  ['http://127.0.0.1:8080/', 'http://10.0.2.2:8080/'],
  ['socks5h://[::1]:1080', 'socks5h://[fec0::2]:1080'],
  ['http://me:p@ss@localhost:1', 'http://me:p@ss@10.0.2.2:1'],
  ['http://localhost:pw@proxy:1', 'http://localhost:pw@proxy:1'],
  ['http://localhost.test:1', 'http://localhost.test:1'],
  ['http://[2001:db8::1]:3128', 'http://[2001:db8::1]:3128'],
] as const) {
  test(`the proxy ${given} is ${wanted} for the guest`, () => {
    const { environment, isSecret } = guestProxies({ all: given });
    assert.deepEqual(environment, {
      ALL_PROXY: wanted,
      NO_PROXY: ITSELF,
      all_proxy: wanted,
      no_proxy: ITSELF,
    });
    assert.equal(isSecret, given.includes('@'));
  });
}

test('a proxy that a guest cannot use is left out with a notice that does not show it', () => {
  for (const secret of [
    'http://me:se"cret@p:1',
    'http://se#cret',
    "'secret'",
    'se\ncret',
    'http://127.0.0.53:1',
  ]) {
    const { environment, notices } = guestProxies({ https: secret });
    assert.deepEqual(environment, {});
    assert.match(notices.join(), /^the guest does not get https_proxy: /);
    assert.doesNotMatch(notices.join(), /cret|127\.0\.0\.53/);
  }
  assert.match(guestProxies({ http: 'p', no: 'a b"' }).notices.join(), /all of no_proxy/);
});

test('every value is one plain line, whatever the user has', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (http, no) => {
      for (const value of Object.values(guestProxies({ http, no }).environment)) {
        assert.match(value, /^[!-~]+$/);
        assert.doesNotMatch(value, /["'#\\`$&;()<>|]/);
      }
    }),
  );
});

test('only the ports of proxies on the host itself are exposed to the guest', () => {
  assert.deepEqual(
    guestProxies({
      http: 'http://localhost:3128',
      https: 'http://me@127.0.0.1:3129/',
      all: 'socks5h://[::1]',
    }).ports,
    [1080, 3128, 3129],
  );
  assert.deepEqual(guestProxies({ http: 'http://localhost', https: 'https://localhost' }).ports, [80, 443]);
  assert.deepEqual(guestProxies({ http: 'http://proxy.example:8080' }).ports, []);
  assert.deepEqual(guestProxies({ http: 'http://localhost:0', https: 'http://localhost:65536' }).ports, []);
});
