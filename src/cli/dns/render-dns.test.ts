import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NameServers } from '../../protocol/api/names.ts';
import type { HostResolver } from './host-resolver.ts';
import { dnsSummary } from './render-dns.ts';
import { RESOLVER_KINDS, resolverSetup } from './resolvers.ts';

const server = { address: '127.53.3.232', port: 7_453 };
const servers: NameServers = {
  dns: { state: 'listening', ...server },
  gateway: {
    state: 'failed',
    address: '127.0.0.1',
    port: 7_480,
    problem: 'port 7480 of 127.0.0.1 is in use',
  },
};
const install = 'sudo /home/me/banger/bin/banger dns install';
const setups = RESOLVER_KINDS.map((kind) => resolverSetup(kind, { server, root: '/' }));
const resolver: HostResolver = {
  nameservers: ['127.0.0.53'],
  found: { 'systemd-resolved': 'running', networkmanager: 'absent', dnsmasq: 'installed', unbound: 'absent' },
  asked: 'systemd-resolved',
};

test('status says what is missing, with the lines for every resolver', () => {
  const text = dnsSummary({ servers, resolver, setups, resolvesNow: false, usual: server, install });
  assert.match(text, /^dns server +127\.53\.3\.232:7453$/m);
  assert.match(text, /^web gateway +not listening: port 7480 of 127\.0\.0\.1 is in use$/m);
  assert.match(text, /^on this host +systemd-resolved \(running\), dnsmasq \(installed\)$/m);
  assert.match(text, /^To set up systemd-resolved: sudo \/home\/me\/banger\/bin\/banger dns install$/m);
  for (const line of [
    'DNS=127.53.3.232:7453',
    'Domains=~vm',
    'server=/vm/127.53.3.232#7453',
    'rebind-domain-ok=/vm/',
    '    stub-addr: 127.53.3.232@7453',
    'vm',
    '... and 31 private zones: banger dns status --json',
  ]) {
    assert.ok(text.includes(`      ${line}\n`), line);
  }
});

test('the command names a server of the config file; a host without a resolver gets the command for one to install', () => {
  const { asked: _, ...none } = resolver;
  const usual = { address: '127.53.0.1', port: 7_453 };
  const text = dnsSummary({ servers, resolver: none, setups, resolvesNow: false, usual, install });
  assert.match(text, /^resolver +servers of the network$/m);
  assert.match(text, /banger dns install --for RESOLVER --server 127\.53\.3\.232:7453$/m);
});

test('nothing has to be set up when names are found, or the server is off', () => {
  const found = dnsSummary({ servers, resolver, setups, resolvesNow: true, usual: server, install });
  assert.match(found, /^NAME\.vm +found$/m);
  assert.doesNotMatch(found, /dns install/);
  const off: NameServers = { dns: { state: 'off' }, gateway: { state: 'off' } };
  const text = dnsSummary({ servers: off, resolver, setups: [], resolvesNow: false, usual: server, install });
  assert.match(text, /^dns server +off \(in the config file\)$/m);
  assert.doesNotMatch(text, /dns install/);
});

test('what keeps the resolver from asking is said in place of a command that would not help', () => {
  const hindrance = { path: '/etc/x', line: 'DNS=192.0.2.1', reason: 'it asks others', remedy: 'remove it' };
  const text = dnsSummary({
    servers,
    resolver,
    setups,
    resolvesNow: false,
    usual: server,
    install,
    hindrance,
  });
  assert.match(text, /"\/etc\/x" says "DNS=192\.0\.2\.1", so it asks others\n {2}hint: remove it\n$/);
  assert.doesNotMatch(text, /dns install/);
});
