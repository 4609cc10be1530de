import assert from 'node:assert/strict';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { isAppError } from '../../src/base/errors.ts';
import { exec } from '../../src/base/process/exec.ts';
import { makeAuthority, makeServerCertificate } from '../support/certificates.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

/** Where this test puts a certificate authority, as this host's programs would see it. */
const HOST_STORE = '/usr/local/share/ca-certificates';

/** Words before a command that sees `folder` in place of {@link HOST_STORE}; the host itself does not. */
const storedIn = (folder: string): string[] => [
  ...['unshare', '--mount', '--propagation', 'private', 'sh', '-c'],
  ...[`mount --bind "$0" ${HOST_STORE} && exec "$@"`, folder],
];

const dir = mkdtempSync(join(tmpdir(), 'bs-'));
const skip = await whySkipped();

async function whySkipped(): Promise<string | undefined> {
  try {
    const [program = '', ...words] = [...storedIn(dir), 'true'];
    await exec([program, ...words], { signal: neverAborts() });
    return undefined;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return `it needs to mount over ${HOST_STORE}`;
  }
}

// What guests reach here is this machine's own loopback: nothing leaves it.
describe('the surroundings of the host', { skip, concurrency: false }, () => {
  const asked: string[] = [];
  const proxy = createServer(({ url, headers }, response) => {
    // Other programs of this host may look at a port that listens, and services of the guest use the proxy.
    if (url?.endsWith('/page')) asked.push(`${url} ${headers['proxy-authorization'] ?? ''}`);
    response.end('through the proxy');
  });
  let lab: Lab;
  let proxies: Record<string, string>;

  before(async () => {
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const { port } = proxy.address() as AddressInfo;
    proxies = {
      http_proxy: `http://me:s3cret@localhost:${port}`,
      https_proxy: '',
      all_proxy: '',
      no_proxy: '',
    };
    const store = join(dir, 'store');
    mkdirSync(store);
    lab = await openLab({ prefix: storedIn(store) });
    appendFileSync(lab.paths.configFile, '[guest]\nhost_ca = true\nproxy = true\n');
    // The daemon starts before there is a proxy, and before there is an authority.
    await lab.text(['vm', 'list'], { env: { http_proxy: '', HTTP_PROXY: '' } });
    const authority = await makeAuthority(store, 'corp');
    rmSync(join(dir, 'server'), { force: true, recursive: true });
    mkdirSync(join(dir, 'server'));
    await makeServerCertificate(join(dir, 'server'), 'corp.test', authority);
    for (const nat of [['--nat'], []]) {
      const name = nat.length > 0 ? 'wired' : 'alone';
      await lab.text(['vm', 'create', '--name', name, ...nat, ...SMALL], { env: proxies });
    }
  });
  after(async () => {
    proxy.close();
    proxy.closeAllConnections();
    await lab?.[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  const inGuest = async (name: string, script: string): Promise<string> =>
    await lab.text(['vm', 'exec', name, '--', 'sh', '-c', script]);

  /** Serves TLS on port 8443 of the guest with the certificate that the authority has signed. */
  async function serveTls(name: string): Promise<void> {
    await lab.text(['vm', 'cp', join(dir, 'server'), `${name}:/srv/tls`]);
    await inGuest(name, 'echo 127.0.0.1 corp.test >>/etc/hosts');
    const server = 'openssl s_server -quiet -accept 8443 -cert corp.test.crt -key corp.test.key -www';
    await inGuest(name, `cd /srv/tls && { setsid ${server} >/dev/null 2>&1 </dev/null & }`);
    await inGuest(name, 'until curl -sko /dev/null https://corp.test:8443; do sleep 0.1; done');
  }

  test('programs of a guest with NAT trust an authority of the host, and those of another do not', async () => {
    await Promise.all([serveTls('wired'), serveTls('alone')]);
    const python = `import urllib.request; urllib.request.urlopen('https://corp.test:8443'); print('ok')`;
    const checks: Readonly<Record<string, string>> = {
      openssl: 'openssl verify /srv/tls/corp.test.crt',
      curl: 'curl -so /dev/null https://corp.test:8443',
      python: `python3 -c "${python}"`,
      // It is no server for git, and git says so only when it trusts it.
      git: 'git ls-remote https://corp.test:8443/x 2>&1 | grep -v "certificate" | grep -q "not found\\|not valid"',
    };
    for (const [program, command] of Object.entries(checks)) {
      const trusts = async (name: string): Promise<boolean> =>
        (await lab.run(['vm', 'exec', name, '--', 'sh', '-c', command])).code === 0;
      assert.deepEqual([await trusts('wired'), await trusts('alone')], [true, false], program);
    }
    const extra = await inGuest('wired', 'openssl x509 -noout -subject -in "$NODE_EXTRA_CA_CERTS"');
    assert.match(extra, /CN = corp/);
  });

  test('a guest that is stopped and started trusts it still', async () => {
    await lab.text(['vm', 'restart', 'wired'], { env: proxies });
    await inGuest('wired', 'openssl verify /srv/tls/corp.test.crt');
  });

  test('a guest with NAT uses the proxy on the loopback of the host, also over ssh', async () => {
    asked.length = 0;
    const fetch = 'curl -s --max-time 60 http://somewhere.test/page';
    assert.equal(await inGuest('wired', fetch), 'through the proxy');
    assert.equal(await lab.text(['vm', 'ssh', 'wired', '--', fetch]), 'through the proxy');
    const credentials = Buffer.from('me:s3cret').toString('base64');
    assert.deepEqual(asked, Array(2).fill(`http://somewhere.test/page Basic ${credentials}`));
    assert.equal(await inGuest('wired', 'stat -c %a /etc/environment'), '600\n');
    assert.equal(await inGuest('alone', 'env | grep -ci proxy; true'), '0\n');
  });

  test('a fork has the proxy of the command that makes it, and a guest that loses NAT has none', async () => {
    await lab.text(['vm', 'fork', 'wired', '--name', 'forked'], {
      env: { ...proxies, http_proxy: 'http://other:1' },
    });
    assert.match(await inGuest('forked', 'env'), /^http_proxy=http:\/\/other:1$/m);
    await lab.text(['vm', 'set', '--no-nat', 'wired']);
    assert.equal(
      await inGuest('wired', 'env | grep -ci proxy; ls /usr/local/share/ca-certificates/banger; true'),
      '0\n',
    );
  });
});
