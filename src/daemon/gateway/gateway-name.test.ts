import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fuzzRuns } from '../../../test/support/fuzz-runs.ts';
import { gatewayUrl, isLocalOrigin, readGatewayHost } from './gateway-name.ts';

for (const [host, target] of [
  ['web.localhost', { kind: 'vm', name: 'web' }],
  ['WEB.LocalHost:7480', { kind: 'vm', name: 'web' }],
  ['web.localhost.:7480', { kind: 'vm', name: 'web' }],
  ['3000.web.localhost', { kind: 'vm', name: 'web', port: 3000 }],
  ['65535.web.localhost:80', { kind: 'vm', name: 'web', port: 65_535 }],
  ['65536.web.localhost', { kind: 'unknown', name: '65536.web' }],
  ['0.web.localhost', { kind: 'unknown', name: '0.web' }],
  ['a.web.localhost', { kind: 'unknown', name: 'a.web' }],
  ['1.2.web.localhost', { kind: 'unknown', name: '1.2.web' }],
  ['_x.localhost', { kind: 'unknown', name: '_x' }],
  ['localhost', { kind: 'index' }],
  ['localhost:7480', { kind: 'index' }],
  ['127.0.0.1:7480', { kind: 'foreign' }],
  ['[::1]:7480', { kind: 'foreign' }],
  ['evil.example', { kind: 'foreign' }],
  ['web.localhost.evil.example', { kind: 'foreign' }],
  ['notlocalhost', { kind: 'foreign' }],
  ['web.localhost@evil.example', { kind: 'foreign' }],
  ['web.localhost:7480:1', { kind: 'foreign' }],
  ['web.localhost/evil', { kind: 'foreign' }],
  ['', { kind: 'foreign' }],
  [undefined, { kind: 'foreign' }],
] as const) {
  test(`the host ${host} is read as ${JSON.stringify(target)}`, () => {
    assert.deepEqual(readGatewayHost(host), target);
  });
}

for (const [origin, isLocal] of [
  [undefined, true],
  ['http://web.localhost:7480', true],
  ['https://localhost', true],
  ['http://localhost:5173', true],
  ['null', false],
  ['', false],
  ['http://evil.example', false],
  ['http://localhost.evil.example', false],
  ['http://web.localhost:7480@evil.example', false],
  ['file://localhost', false],
] as const) {
  test(`the origin ${origin} is ${isLocal ? 'local' : 'foreign'}`, () => {
    assert.equal(isLocalOrigin(origin), isLocal);
  });
}

test('the address of a VM is read as that VM, whatever its name and port', () => {
  const name = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
  fc.assert(
    fc.property(
      name,
      fc.integer({ min: 1, max: 65_535 }),
      fc.integer({ min: 1, max: 65_535 }),
      (vm, port, gatewayPort) => {
        const { host } = new URL(gatewayUrl(vm, { gatewayPort, port }));
        assert.deepEqual(readGatewayHost(host), { kind: 'vm', name: vm, port });
        const first = new URL(gatewayUrl(vm, { gatewayPort })).host;
        assert.deepEqual(readGatewayHost(first), { kind: 'vm', name: vm });
      },
    ),
  );
});

test('no text makes a foreign name local', () => {
  const part = fc.oneof(
    fc.constantFrom('localhost', '.', ':', '@', '/', '127.0.0.1', 'evil', '%', '\\', '[', ']'),
    fc.string(),
  );
  fc.assert(
    fc.property(
      fc.array(part).map((parts) => parts.join('')),
      (host) => {
        const target = readGatewayHost(host);
        if (target.kind === 'foreign') return;
        assert.match(host.toLowerCase(), /(^|\.)localhost\.?(:[0-9]{1,5})?$/);
      },
    ),
    { numRuns: fuzzRuns(3_000) },
  );
});
