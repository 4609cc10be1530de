import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { neverAborts } from '../../src/base/abort.ts';
import { exec } from '../../src/base/process/exec.ts';
import type { VmNetworkState } from '../../src/protocol/usage.ts';
import { until } from '../support/until.ts';
import { serveGit } from './support/git-server.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';

// Not in this file as one word: the compiled test must not be found by the search.
const VALUE = ['t0ken', 'only', 'the', 'server', 'knows', String(process.pid)].join('-');

// The servers are on this machine's loopback, at a port that is exposed to the guest.
describe('secrets', () => {
  let dir: string;
  let server: Server;
  let lab: Lab;
  let port: number;
  const seen: string[] = [];
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'secret-server-'));
    const [key, certificate] = [join(dir, 'key.pem'), join(dir, 'certificate.pem')];
    const subject = ['-subj', '/CN=api.test', '-addext', 'subjectAltName=DNS:api.test'];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    await run(['openssl', 'req', ...kind, '-keyout', key, '-out', certificate, ...subject]);
    await run(['git', 'init', '--quiet', '--bare', join(dir, 'repository.git')]);
    server = createServer(
      { key: await readFile(key), cert: await readFile(certificate) },
      (request, response) => {
        const authorization = request.headers.authorization ?? '';
        seen.push(authorization);
        if (!request.url?.startsWith('/repository.git')) return response.end(`you sent ${authorization}`);
        const basic = `Basic ${Buffer.from(`me:${VALUE}`).toString('base64')}`;
        if (authorization === basic) return serveGit(request, response, dir);
        return response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
      },
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
    lab = await openLab({ env: { SSL_CERT_FILE: certificate } });
    // A daemon has the environment of the command that starts it.
    await lab.text(['vm', 'list']);
    const secret = `TOKEN=env:OWN_TOKEN@api.test:${port}`;
    const words = ['vm', 'create', '--name', 'trusted', '--secret', secret, '--expose-host', String(port)];
    await lab.text([...words, ...SMALL], { env: { OWN_TOKEN: VALUE } });
    await inGuest('echo 10.0.2.2 api.test >> /etc/hosts');
  });
  after(async () => {
    await lab[Symbol.asyncDispose]();
    server.close();
    server.closeAllConnections();
    await rm(dir, { recursive: true });
  });

  const inGuest = async (script: string): Promise<string> =>
    await lab.text(['vm', 'exec', 'trusted', '--', 'sh', '-c', script]);
  const ask = async (): Promise<string> =>
    await inGuest(
      `curl -s --max-time 60 -H "Authorization: Bearer $(printenv TOKEN)" https://api.test:${port}/`,
    );
  const state = async (): Promise<VmNetworkState> =>
    JSON.parse(await lab.text(['vm', 'network', '--json', 'trusted'])) as VmNetworkState;
  const killNetwork = async (): Promise<void> => {
    const before = (await state()).process?.pid;
    process.kill(before ?? 0, 'SIGKILL');
    await until(async () => {
      const now = (await state().catch(() => undefined))?.process;
      return now !== undefined && now.pid !== before && now.isConnected;
    });
  };

  test('secrets: the server gets the value, and the guest neither has it nor gets it back', async () => {
    assert.match(await inGuest('echo $TOKEN'), /^banger-secret-[0-9a-f]{32}\n$/);
    assert.equal(await ask(), `you sent Bearer ${'*'.repeat(VALUE.length)}`);
    assert.equal(seen.at(-1), `Bearer ${VALUE}`);
    const other = `curl -s --max-time 60 --resolve api.test:${port}:10.0.2.2 -H "Host: evil.test" -H "X: $(printenv TOKEN)" https://api.test:${port}/`;
    assert.match(
      await inGuest(other),
      /^banger: a request on a connection to this server is for another one/,
    );
    assert.match(await lab.text(['vm', 'network', 'log', 'trusted']), /secret.*api\.test/);
  });

  test('secrets: git pushes over https', async () => {
    const remote = `https://me:$TOKEN@api.test:${port}/repository.git`;
    const script = [
      'git init -q -b main /tmp/own && cd /tmp/own',
      'git -c user.name=me -c user.email=me@here commit -q --allow-empty -m first',
      `git push -q "${remote}" main 2>&1; echo pushed $?`,
    ];
    assert.equal(await inGuest(script.join('\n')), 'pushed 0\n');
    await run(['git', '-C', join(dir, 'repository.git'), 'rev-parse', '--verify', 'main']);
  });

  test('secrets: the value is in no file, no process and no memory of the guest', async () => {
    for (const pid of (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name))) {
      if (Number(pid) === process.pid) continue;
      for (const name of ['environ', 'cmdline']) {
        const text = await readFile(`/proc/${pid}/${name}`).catch(() => Buffer.alloc(0));
        assert.ok(!text.includes(VALUE), `/proc/${pid}/${name}`);
      }
    }
    const placeholder = (await inGuest('printenv TOKEN')).trim();
    await inGuest(`sh -c 'T=$TOKEN exec sleep 600' >/dev/null 2>&1 & sync`);
    await lab.text(['vm', 'suspend', 'trusted']);
    // Finds the placeholder, so it would find the value.
    assert.notEqual((await found(placeholder)).length, 0);
    assert.deepEqual(await found(VALUE), []);
    await lab.text(['vm', 'start', 'trusted']);
    assert.equal(await ask(), `you sent Bearer ${'*'.repeat(VALUE.length)}`);
  });

  test('secrets: a network that is killed gets the value again, unless the daemon is new too', async () => {
    await killNetwork();
    assert.match(await ask(), /^you sent Bearer \*+$/);
    await lab.killDaemon();
    assert.match(await ask(), /^you sent Bearer \*+$/);
    await killNetwork();
    assert.equal((await state()).secrets?.[0]?.isKnown, false);
    assert.match(await ask(), /^banger: the value of the secret is not known any more/);
    assert.match(await lab.text(['vm', 'network', 'log', 'trusted']), /not known any more/);
    const secret = `TOKEN=env:OWN_TOKEN@api.test:${port}`;
    await lab.text(['vm', 'set', '--secret', secret, 'trusted'], { env: { OWN_TOKEN: VALUE } });
    assert.match(await ask(), /^you sent Bearer \*+$/);
    await lab.text(['vm', 'set', '--remove-secret', 'TOKEN', 'trusted']);
    assert.equal(await inGuest('echo "<$TOKEN>"'), '<>\n');
  });

  /** The files of the lab in which a text is. */
  async function found(text: string): Promise<string[]> {
    const argv = ['grep', '-rlaF', '--', text, lab.scratch] as const;
    const { stdout } = await exec([...argv], { signal: neverAborts(), okCodes: [0, 1, 2] });
    return stdout.toString().split('\n').filter(Boolean);
  }
});

async function run(argv: [string, ...string[]]): Promise<void> {
  await exec(argv, { signal: neverAborts() });
}
