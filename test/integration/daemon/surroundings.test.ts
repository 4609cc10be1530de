import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { neverAborts } from '../../../src/base/abort.ts';
import { GUEST_AUTHORITIES_FILE, GUEST_TRUST_FILE } from '../../../src/protocol/guest.ts';
import type { ProxyVariables } from '../../../src/protocol/proxy-variables.ts';
import type { BangerClient } from '../../../src/sdk/client.ts';
import { createClient } from '../../../src/sdk/client.ts';
import { resultOf, type Work } from '../../../src/sdk/work.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { type DaemonLab, labAuthorities, openDaemonLab } from '../../support/daemon-lab.ts';
import { guestRootOf } from '../../support/fakes/fake-vm-driver.ts';

const signal = neverAborts();
const SECRET = 's3cret';

let lab: DaemonLab;

before(async () => {
  lab = await openDaemonLab();
  const config = join(lab.dir, '.config/banger/config.toml');
  mkdirSync(dirname(config), { recursive: true });
  writeFileSync(config, '[guest]\nhost_ca = true\nproxy = true\n');
  await lab.start();
});

after(async () => {
  await lab[Symbol.asyncDispose]();
});

/** A client that runs in an environment with these proxies. */
function clientBehind(proxies: ProxyVariables): BangerClient {
  return createClient({ socketPath: lab.settings.paths.daemonSocket, proxies });
}

/** What the guest of a VM has of a file; undefined when it has none. */
function inGuest(id: string, path: string): string | undefined {
  const file = join(guestRootOf(join(lab.settings.paths.vmRuntimeDir, id)), path);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

const modeOf = (id: string, path: string): number =>
  statSync(join(guestRootOf(join(lab.settings.paths.vmRuntimeDir, id)), path)).mode & 0o777;

async function noticesOf(work: Work<unknown>): Promise<string[]> {
  const notices: string[] = [];
  await resultOf(work, (news) => {
    if (news.event === 'notice' && !news.message.includes('emulation')) notices.push(news.message);
  });
  return notices;
}

test('a guest with NAT has the proxies of the client that starts it, and no others', async () => {
  const { client } = lab;
  const { id } = await resultOf(client.createVm({ name: 'p', nat: true, noStart: true }, { signal }));
  const start = async (proxies: ProxyVariables): Promise<string[]> => {
    const notices = await noticesOf(clientBehind(proxies).startVm('p', { signal }));
    return notices;
  };
  assert.deepEqual(await start({ http: `http://me:${SECRET}@localhost:3128`, no: '.corp' }), []);
  const first = inGuest(id, '/etc/environment') ?? '';
  assert.match(first, new RegExp(`^http_proxy=http://me:${SECRET}@10\\.0\\.2\\.2:3128$`, 'm'));
  assert.match(first, /^NO_PROXY=\.corp,localhost,127\.0\.0\.1,::1$/m);
  assert.equal(modeOf(id, '/etc/environment'), 0o600);
  assert.doesNotMatch(JSON.stringify(lab.logged), new RegExp(SECRET));

  await resultOf(client.stopVm('p', { signal }));
  assert.match((await start({ https: `http://x:${SECRET}#@y` })).join(), /does not get https_proxy/);
  assert.doesNotMatch(inGuest(id, '/etc/environment') ?? '', /proxy/i);
  await resultOf(client.deleteVm('p', { signal }));
});

test('proxies and certificates come and go with NAT, also while the guest runs', async () => {
  const folder = labAuthorities(lab.dir);
  const { certificate } = await makeAuthority(folder, 'corp');
  rmSync(join(folder, 'corp.key'));
  writeFileSync(join(folder, 'README'), 'no certificate');
  const pem = readFileSync(certificate, 'utf8');
  const behind = clientBehind({ all: 'socks5://p:1' });
  const create = behind.createVm({ name: 'n' }, { signal });
  const { id } = await resultOf(create);
  assert.equal(inGuest(id, GUEST_TRUST_FILE), undefined);
  assert.equal(inGuest(id, '/etc/environment'), undefined);
  assert.equal(lab.guests.personalised.at(-1)?.surroundings, undefined, 'a start is no slower for nothing');

  const notices = await noticesOf(behind.setVm('n', { nat: true }, { signal }));
  assert.match(notices.join(), /README": it has none that can be read/);
  assert.ok(inGuest(id, GUEST_TRUST_FILE)?.includes(pem));
  assert.equal(inGuest(id, GUEST_AUTHORITIES_FILE), pem);
  const environment = inGuest(id, '/etc/environment') ?? '';
  assert.match(environment, /^all_proxy=socks5:\/\/p:1$/m);
  assert.match(environment, new RegExp(`^NODE_EXTRA_CA_CERTS=${GUEST_AUTHORITIES_FILE}$`, 'm'));
  assert.equal(modeOf(id, '/etc/environment'), 0o644);

  await resultOf(behind.setVm('n', { nat: false }, { signal }));
  assert.equal(inGuest(id, GUEST_AUTHORITIES_FILE), undefined);
  assert.equal(inGuest(id, GUEST_TRUST_FILE), '');
  assert.equal(inGuest(id, '/etc/environment'), '');
  await resultOf(lab.client.deleteVm('n', { signal }));
});
