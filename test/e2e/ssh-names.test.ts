import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { TALKER } from '../support/network/guest-servers.ts';
import { askPort, startEcho, talkTo } from '../support/network/local-server.ts';
import { until } from '../support/until.ts';
import { type Lab, openLab, SMALL } from './support/lab.ts';
import { type Ended, type SshClient, sshClient, sshHome } from './support/ssh-client.ts';

/** Answers every connection with `served`, on a TCP port of 127.0.0.1 or on a Unix socket. */
const SERVER = [
  'import socketserver, sys, os',
  'class H(socketserver.StreamRequestHandler):',
  '  def handle(self): self.rfile.readline(); self.wfile.write(b"served\\n")',
  'where = sys.argv[1]',
  'kind = socketserver.ThreadingUnixStreamServer if where.startswith("/") else socketserver.ThreadingTCPServer',
  'kind(where if where.startswith("/") else ("127.0.0.1", int(where)), H).serve_forever()',
  '',
].join('\n');

describe('ssh, and what uses it, reaches VMs by name', { concurrency: false }, () => {
  let lab: Lab;
  let user: SshClient;

  before(async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'be-'));
    const { XDG_DATA_HOME = join(process.env['HOME'] ?? '', '.local/share') } = process.env;
    const { XDG_CACHE_HOME = join(process.env['HOME'] ?? '', '.cache') } = process.env;
    lab = await openLab({ scratch, env: { ...sshHome(scratch), XDG_DATA_HOME, XDG_CACHE_HOME } });
    user = sshClient(lab);
    await lab.text(['ssh-config', '--install']);
    await lab.text(['vm', 'create', '--name', 'web', ...SMALL]);
  });
  after(() => lab[Symbol.asyncDispose]());

  /** A command of the client that goes on until it is ended, such as one that forwards ports. */
  async function forwarding<T>(words: readonly string[], use: () => Promise<T>): Promise<T> {
    const argv = ['-F', user.config, '-o', 'ExitOnForwardFailure=yes', ...words, 'web.vm', 'echo up; cat'];
    const child = spawn('ssh', argv, {
      env: lab.env as NodeJS.ProcessEnv,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const ended = once(child, 'exit');
    try {
      await once(child.stdout, 'data');
      return await use();
    } finally {
      child.stdin.end();
      child.kill();
      await ended;
    }
  }

  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }

  const works = ({ status, stdout, stderr }: Ended, expected: string): void =>
    assert.deepEqual([status, stdout], [0, expected], stderr);

  test('the first connection asks nothing, and leaves nothing in the home folder', () => {
    works(
      user.ssh('web.vm', 'hostname; hostname -f; grep web /etc/hosts; pwd'),
      'web\nweb.vm\n127.0.1.1\tweb.vm web\n/root\n',
    );
    assert.equal(user.ssh('web.vm', 'exit 7').status, 7);
    assert.deepEqual(readdirSync(join(user.home, '.ssh')), ['config']);
  });

  test('scp, sftp, rsync and git copy both ways', () => {
    const { home, config } = user;
    writeFileSync(join(home, 'one'), 'by scp\n');
    user.text(['scp', '-q', '-F', config, 'one', 'web.vm:/root/one']);
    user.text(['sftp', '-q', '-F', config, '-b', '-', 'web.vm'], 'get /root/one two\nput two /root/three\n');
    user.text(['rsync', '-a', 'web.vm:/root/three', 'four']);
    assert.equal(readFileSync(join(home, 'four'), 'utf8'), 'by scp\n');
    const commit =
      'git init -q repo && cd repo && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first';
    works(user.ssh('web.vm', `${commit} && git config receive.denyCurrentBranch ignore`), '');
    user.text(['git', 'clone', '-q', 'web.vm:repo', 'cloned']);
    const inClone: [string, ...string[]] = [
      'git',
      '-C',
      'cloned',
      '-c',
      'user.name=b',
      '-c',
      'user.email=b@c',
    ];
    user.text([...inClone, 'commit', '-q', '--allow-empty', '-m', 'second']);
    user.text([...inClone, 'push', '-q']);
    works(user.ssh('web.vm', 'git -C repo log --format=%s'), 'second\nfirst\n');
  });

  test('an editor uploads its server by scp and sftp, starts it, and reaches its port and its socket', async () => {
    const { home, config } = user;
    writeFileSync(join(home, 'server.py'), SERVER);
    user.text(['tar', '-czf', 'server.tgz', 'server.py']);
    user.text(['scp', '-q', '-F', config, 'server.tgz', 'web.vm:/root/.server.tgz']);
    user.text(['sftp', '-q', '-F', config, '-b', '-', 'web.vm'], 'put server.tgz /root/.again.tgz\n');
    const start = (where: string): string =>
      `(setsid python3 .server/server.py ${where} </dev/null >/dev/null 2>&1 &)`;
    const unpack = 'cmp .server.tgz .again.tgz && mkdir .server && tar -xzf .server.tgz -C .server';
    works(user.ssh('web.vm', `${unpack} && ${start('4777')} && ${start('/root/.server.sock')}`), '');
    const listening = 'until [ -S .server.sock ] && grep -q :12A9 /proc/net/tcp; do sleep 0.2; done';
    works(user.ssh('web.vm', listening), '');
    const [byPort, bySocket] = [await freePort(), await freePort()];
    const words = ['-L', `${byPort}:127.0.0.1:4777`, '-L', `${bySocket}:/root/.server.sock`];
    await forwarding(words, async () => {
      assert.equal(await askPort('127.0.0.1', byPort, 'hello\n'), 'served\n');
      assert.equal(await askPort('127.0.0.1', bySocket, 'hello\n'), 'served\n');
    });
  });

  test('through -L, a server that has ended its output first still reads', async () => {
    works(user.ssh('web.vm', `python3 -c '${TALKER}' 4666 /root/heard </dev/null >/dev/null 2>&1 &`), '');
    works(user.ssh('web.vm', 'until grep -q :123A /proc/net/tcp; do sleep 0.2; done'), '');
    const port = await freePort();
    await forwarding(['-L', `${port}:127.0.0.1:4666`], async () => {
      assert.equal((await talkTo('127.0.0.1', port, 'x'.repeat(3_000_000)))?.answer, 'that is all');
      // ssh still has most of it, and is killed after this.
      const heard = 'until [ -s heard ]; do sleep 0.2; done; cat heard';
      await until(() => user.ssh('web.vm', heard).stdout === '3000000\n', { what: 'the guest to hear all' });
    });
  });

  test('-R reaches this host, and -D is a proxy into the guest', async () => {
    await using echo = await startEcho();
    const socks = await freePort();
    await forwarding(['-R', `4888:127.0.0.1:${echo.port}`, '-D', String(socks)], async () => {
      const ask = `import socket; s = socket.create_connection(("127.0.0.1", 4888)); s.sendall(b"to the host"); s.shutdown(1); print(s.recv(99).decode())`;
      assert.equal(await lab.text(['vm', 'exec', 'web', '--', 'python3', '-c', ask]), 'to the host\n');
      const web = 'cd /srv && (setsid python3 -m http.server 4999 --bind 127.0.0.1 >/dev/null 2>&1 &)';
      await lab.text(['vm', 'exec', 'web', '--', 'sh', '-c', `echo page > /srv/page; ${web}`]);
      const get = [
        'curl',
        '-s',
        '--socks5-hostname',
        `127.0.0.1:${socks}`,
        'http://127.0.0.1:4999/page',
      ] as const;
      await until(async () => user.run(get).stdout === 'page\n', { what: 'the page through the proxy' });
    });
  });

  test('a shared connection is used again; the agent is lent only when it is asked for', () => {
    const shared = [
      '-o',
      'ControlMaster=auto',
      '-o',
      `ControlPath=${join(user.home, 'cm')}`,
      '-o',
      'ControlPersist=60',
    ];
    works(user.ssh(...shared, 'web.vm', 'echo $SSH_CONNECTION > /tmp/first'), '');
    works(
      user.ssh(...shared, 'web.vm', '[ "$SSH_CONNECTION" = "$(cat /tmp/first)" ] && echo same'),
      'same\n',
    );
    works(user.ssh(...shared, '-O', 'exit', 'web.vm'), '');
    const lent = (flag: string): string =>
      user.text([
        'ssh-agent',
        'ssh',
        '-F',
        user.config,
        flag,
        'web.vm',
        '[ -z "$SSH_AUTH_SOCK" ] || echo lent',
      ]);
    assert.deepEqual([lent('-A'), lent('-q')], ['lent\n', '']);
  });

  test('a changed host key, an unknown and a stopped VM are errors that say what to do', async () => {
    const inGuest = (line: string): Promise<string> =>
      lab.text(['vm', 'exec', 'web', '--', 'sh', '-c', line]);
    const key = '/etc/ssh/ssh_host_ed25519_key';
    await inGuest(
      `mkdir /tmp/kept && mv ${key} ${key}.pub /tmp/kept && ssh-keygen -q -t ed25519 -N '' -f ${key}`,
    );
    assert.match(user.ssh('web.vm', 'true').stderr, /Host key verification failed/);
    await inGuest(`mv /tmp/kept/* /etc/ssh/`);
    works(user.ssh('web.vm', 'echo ok'), 'ok\n');
    assert.match(user.ssh('nobody.vm', 'true').stderr, /Cannot find a vm "nobody"/);
    await lab.text(['vm', 'create', '--name', 'off', '--no-start', ...SMALL]);
    assert.match(user.ssh('off.vm', 'true').stderr, /"off" is not running .*\n.*banger vm start off/);
    await lab.text(['vm', 'delete', 'off']);
  });

  test('a connection starts the daemon and resumes a suspended VM', async () => {
    works(user.ssh('web.vm', 'echo kept > /dev/shm/memory'), '');
    await lab.text(['vm', 'suspend', 'web']);
    await lab.text(['daemon', 'stop']);
    works(user.ssh('web.vm', 'cat /dev/shm/memory'), 'kept\n');
  });

  test('renames and forks have their names at once, and a deleted VM leaves none', async () => {
    await lab.text(['vm', 'rename', 'web', 'api']);
    works(user.ssh('api.vm', 'hostname; hostname -f'), 'api\napi.vm\n');
    assert.match(user.ssh('web.vm', 'true').stderr, /Cannot find a vm "web"/);
    await lab.text(['vm', 'fork', 'api', '--name', 'copy']);
    works(user.ssh('copy.vm', 'hostname -f; cat /dev/shm/memory'), 'copy.vm\nkept\n');
    await lab.text(['vm', 'delete', 'copy']);
    await until(() => !readFileSync(lab.paths.knownHostsFile, 'utf8').includes('copy.vm'), {
      what: 'the name to go',
    });
    assert.deepEqual(readdirSync(join(user.home, '.ssh')), ['config'], 'no known_hosts of the user');
  });

  test('scenario 11, ssh_config: one Include, idempotent, and gone after --uninstall', async () => {
    const before = readFileSync(user.config, 'utf8');
    assert.equal(before.match(/^Include /gm)?.length, 1);
    writeFileSync(user.config, `${before}Host mine\n  User me`);
    await lab.text(['ssh-config', '--install']);
    assert.equal(readFileSync(user.config, 'utf8'), `${before}Host mine\n  User me`);
    await lab.text(['ssh-config', '--uninstall']);
    assert.equal(readFileSync(user.config, 'utf8'), 'Host mine\n  User me');
    assert.equal(existsSync(lab.paths.sshConfigFile), false);
  });
});
